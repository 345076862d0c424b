//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// keptConnections is how many connections the client holds open for half of its requests.
const keptConnections = 32

// A client sends requests at a steady rate, whether or not earlier ones were answered (an open loop). Every second
// request opens a connection of its own; the others take turns on kept ones. No request is ever sent twice.
type client struct {
	addr    string
	every   time.Duration // between two requests
	timeout time.Duration // of one request, from its sending to the end of its answer
	tally   *tally
	giveUp  atomic.Pointer[time.Time] // set when run's context has ended: no request lives longer
}

// run sends until ctx ends, then waits for what is under way.
func (c *client) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	kept := make([]chan struct{}, keptConnections)
	for i := range kept {
		kept[i] = make(chan struct{}, 1<<16) // an open loop queues while nobody answers
		wg.Go(func() { c.keep(kept[i]) })
		defer close(kept[i])
	}
	begin := time.Now()
	for i := 0; ; i++ {
		timer := time.NewTimer(time.Until(begin.Add(time.Duration(i) * c.every)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			end := time.Now().Add(c.timeout)
			c.giveUp.Store(&end)
			return
		}
		c.tally.sent()
		if i%2 == 0 {
			wg.Go(c.fresh)
			continue
		}
		kept[i/2%keptConnections] <- struct{}{}
	}
}

// deadline is that of a request sent now.
func (c *client) deadline() time.Time {
	at := time.Now().Add(c.timeout)
	if end := c.giveUp.Load(); end != nil && end.Before(at) {
		return *end
	}
	return at
}

// fresh sends one request on a connection of its own.
func (c *client) fresh() {
	deadline := c.deadline()
	k, err := dial(c.addr, deadline)
	if err != nil {
		c.tally.fail(err)
		return
	}
	c.request(k, deadline)
	k.close()
}

// keep sends one request a turn on one connection, and opens it anew when it has been closed in between.
func (c *client) keep(turns <-chan struct{}) {
	var k *connection
	for range turns {
		deadline := c.deadline()
		if k != nil && !k.alive() {
			k.close()
			k = nil
		}
		if k == nil {
			var err error
			if k, err = dial(c.addr, deadline); err != nil {
				c.tally.fail(err)
				continue
			}
		}
		if !c.request(k, deadline) {
			k.close()
			k = nil
		}
	}
	if k != nil {
		k.close()
	}
}

// request sends one request and reads its answer; it reports whether the connection may be used again.
func (c *client) request(k *connection, deadline time.Time) bool {
	node, reusable, err := k.get(c.addr, deadline)
	if err != nil {
		c.tally.fail(err)
		return false
	}
	c.tally.answer(node)
	return reusable
}

// A connection is one TCP connection of the client, with what has been read ahead.
type connection struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string, deadline time.Time) (*connection, error) {
	d := net.Dialer{Deadline: deadline}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReader(conn)}, nil
}

// get asks for / once and reads the whole answer. The node that answered names itself in a header.
func (k *connection) get(host string, deadline time.Time) (node string, reusable bool, err error) {
	if err := k.SetDeadline(deadline); err != nil {
		return "", false, err
	}
	if _, err := io.WriteString(k, "GET / HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: quickstart\r\n\r\n"); err != nil {
		return "", false, err
	}
	answer, err := http.ReadResponse(k.r, nil)
	if err != nil {
		return "", false, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return "", false, err
	}
	if answer.StatusCode != http.StatusOK {
		return "", false, fmt.Errorf("status %s from node %s", answer.Status, answer.Header.Get(nodeHeader))
	}
	return answer.Header.Get(nodeHeader), !answer.Close, nil
}

// alive reports whether the idle connection can still be used: not closed by the server, and nothing unasked on it.
func (k *connection) alive() bool {
	if k.r.Buffered() > 0 {
		return false
	}
	raw, err := k.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		alive = err == syscall.EAGAIN
		return true // never wait
	})
	return err == nil && alive
}

// close ends the connection with a reset: the answer has been read, and a thousand connections a second in TIME_WAIT
// would use up the loopback's ports.
func (k *connection) close() {
	if tcp, ok := k.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // at worst the port rests for a minute
	}
	_ = k.Conn.Close()
}
