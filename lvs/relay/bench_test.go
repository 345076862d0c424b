package relay_test

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// BenchmarkRoundTrip is a message to the destination and back over one connection: two messages for the relay.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := tcpWorld(b)
			addr, accept := w.backend()
			client, server := w.relay([]string{addr}).pair(accept)
			go echo(server)
			msg := make([]byte, size)
			b.SetBytes(int64(2 * size))
			b.ReportAllocs()
			for b.Loop() {
				if err := roundTrip(client, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBulk is one direction of one long connection.
func BenchmarkBulk(b *testing.B) {
	w := tcpWorld(b)
	addr, accept := w.backend()
	client, server := w.relay([]string{addr}).pair(accept)
	chunk := make([]byte, 256<<10)
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{client}, make([]byte, 256<<10))
		done <- err
	}()
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := server.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	server.CloseWrite()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkConnect is a short connection: 100 bytes to the destination, 100 bytes back, and the end. Time and memory are
// those of client, relay and server together.
func BenchmarkConnect(b *testing.B) {
	w := tcpWorld(b)
	ln := w.listen("127.0.0.1:0")
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				var msg [100]byte
				if _, err := io.ReadFull(c, msg[:]); err == nil {
					c.Write(msg[:])
				}
			}(c)
		}
	}()
	rel := w.relay([]string{ln.Addr().String()})
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-rel.records:
			case <-stop:
				return
			}
		}
	}()
	b.ReportAllocs()
	var msg [100]byte
	for b.Loop() {
		c, err := w.dial(rel.addr)
		if err != nil {
			b.Fatal(err)
		}
		c.(*net.TCPConn).SetLinger(0)
		if err := roundTrip(c, msg[:]); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
