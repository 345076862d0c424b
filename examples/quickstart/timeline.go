//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	priorityA = 250 // node a preempts
	priorityB = 200
)

// A show is the parent's side of the main job: it starts the children, and does to them what happens in a machine room.
type show struct {
	options
	addr     string   // of the service
	listener *os.File // inherited by both nodes
	secret   string   // of the VRRP adverts, in hexadecimal
	routers  map[string]netip.AddrPort
	backends []string // addresses
	tally    *tally
	begun    time.Time

	mu       sync.Mutex // guards all below
	children map[string]*child
	said     []event       // every event of every child, in order of arrival
	news     chan struct{} // closed and renewed at each event
}

func newShow(o options) (*show, error) {
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	defer ln.Close() // the descriptor taken from it stays
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	s := &show{
		options: o, addr: ln.Addr().String(), listener: file, secret: hex.EncodeToString(secret),
		tally: &tally{}, begun: time.Now(),
		children: make(map[string]*child), news: make(chan struct{}),
	}
	if s.routers, err = routerAddresses("a", "b"); err != nil {
		_ = file.Close()
		return nil, err
	}
	return s, nil
}

// routerAddresses finds a free UDP port of the loopback address for each node's adverts.
func routerAddresses(names ...string) (map[string]netip.AddrPort, error) {
	found := make(map[string]netip.AddrPort)
	for _, name := range names {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer conn.Close() // held until every node has its own
		found[name] = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	return found, nil
}

// play runs the timeline, each step waiting for its condition. It returns early when ctx ends.
func (s *show) play(ctx context.Context) error {
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"start", s.start},
		{"kill a backend", s.killBackend},
		{"kill the Active node", s.killActive},
		{"hand over", s.handOver},
		{"drain", s.drain},
	} {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	s.print("the timeline is over: %s", s.service())
	return nil
}

func (s *show) service() string { return "http://" + s.addr + "/  /limited  /status" }

// start brings three backends and two nodes up, and waits until a holds the address.
func (s *show) start(ctx context.Context) error {
	for i := range 3 {
		name := fmt.Sprintf("backend-%d", i+1)
		if err := s.launchBackend(ctx, name, "127.0.0.1:0"); err != nil {
			return err
		}
	}
	for _, node := range []string{"a", "b"} {
		if err := s.launchNode(node); err != nil {
			return err
		}
	}
	s.print("listening on %s; three backends and the nodes a (priority %d) and b (%d) are started", s.addr, priorityA, priorityB)
	var doors [2]string
	for i, node := range []string{"a", "b"} {
		ready, err := s.await(ctx, "node "+node+" to be ready", 0, func(e event) bool { return e.From == node && e.Kind == "ready" })
		if err != nil {
			return err
		}
		doors[i] = "http://" + ready.Addr + "/debug/"
	}
	s.print("their debug doors, with pprof and snapshot: %s  %s", doors[0], doors[1])
	if err := s.wait(ctx, "node a to become Active", 0, state("a", "active")); err != nil {
		return err
	}
	s.print("node a is Active: it accepts from the address")
	return nil
}

// killBackend takes one backend away and brings it back; the nodes notice both.
func (s *show) killBackend(ctx context.Context) error {
	answered := s.tally.answered("a")
	if err := s.waitFor(ctx, "the first answer", answered); err != nil {
		return err
	}
	const victim = "backend-2"
	id := s.backends[1]
	mark := s.mark()
	s.print("%s is killed with SIGKILL", victim)
	if err := s.child(victim).kill(); err != nil {
		return err
	}
	for _, node := range []string{"a", "b"} {
		if err := s.wait(ctx, node+" to take "+victim+" out", mark, backend(node, id, false)); err != nil {
			return err
		}
	}
	s.print("both nodes took it out")
	mark = s.mark()
	if err := s.launchBackend(ctx, victim, id); err != nil {
		return err
	}
	for _, node := range []string{"a", "b"} {
		if err := s.wait(ctx, node+" to take "+victim+" back", mark, backend(node, id, true)); err != nil {
			return err
		}
	}
	s.print("%s is back, and both nodes send to it again", victim)
	return nil
}

// killActive kills node a and waits for the first answer of b.
func (s *show) killActive(ctx context.Context) error {
	mark := s.mark()
	answered := s.tally.answered("b")
	s.print("node a, the Active one, is killed with SIGKILL")
	if err := s.tally.kill("a", s.child("a").kill); err != nil {
		return err
	}
	if err := s.wait(ctx, "node b to become Active", mark, state("b", "active")); err != nil {
		return err
	}
	if err := s.waitFor(ctx, "the first answer of node b", answered); err != nil {
		return err
	}
	s.print("node b is Active, its first answer came %v after the kill", s.tally.takeover().Round(time.Millisecond))
	return nil
}

// handOver starts node a again: it preempts, and b hands the address over.
func (s *show) handOver(ctx context.Context) error {
	mark := s.mark()
	if err := s.launchNode("a"); err != nil {
		return err
	}
	s.print("node a is started again; it will preempt")
	if err := s.wait(ctx, "node a to become Active", mark, state("a", "active")); err != nil {
		return err
	}
	if err := s.wait(ctx, "node b to step back", mark, state("b", "backup")); err != nil {
		return err
	}
	answered := s.tally.answered("a")
	if err := s.waitFor(ctx, "an answer of node a", answered); err != nil {
		return err
	}
	s.print("node a took the address over from b")
	if err := s.wait(ctx, "node b to drain", mark, func(e event) bool { return e.From == "b" && e.Kind == "drained" }); err != nil {
		return err
	}
	s.print("the last connection to b has ended")
	return nil
}

// drain asks node a to leave: it yields the address, finishes what it has, and ends. Then it comes back once more.
func (s *show) drain(ctx context.Context) error {
	mark := s.mark()
	answered := s.tally.answered("b")
	s.print("node a is told to drain")
	s.child("a").say("drain")
	if err := s.wait(ctx, "node b to become Active", mark, state("b", "active")); err != nil {
		return err
	}
	if err := s.waitFor(ctx, "an answer of node b", answered); err != nil {
		return err
	}
	ended, err := s.await(ctx, "node a to end", mark, func(e event) bool { return e.From == "a" && e.Kind == "exit" })
	if err != nil {
		return err
	}
	if ended.Err != "" {
		return fmt.Errorf("node a drained but ended with %s", ended.Err)
	}
	s.print("node a has drained and ended, node b answers")
	if err := s.launchNode("a"); err != nil {
		return err
	}
	s.print("node a is started again for the next time")
	return nil
}

func (s *show) launchBackend(ctx context.Context, name, listen string) error {
	mark := s.mark()
	if err := s.launch("backend", name, backendConfig{Name: name, Listen: listen}); err != nil {
		return err
	}
	e, err := s.await(ctx, name+" to listen", mark, func(e event) bool { return e.From == name && e.Kind == "listening" })
	if err == nil && listen == "127.0.0.1:0" {
		s.backends = append(s.backends, e.Addr)
	}
	return err
}

func (s *show) launchNode(name string) error {
	peer, priority := "b", priorityA
	if name == "b" {
		peer, priority = "a", priorityB
	}
	return s.launch("node", name, nodeConfig{
		Name: name, Peer: peer, Priority: uint8(priority), Interval: s.interval, Secret: s.secret,
		Local: s.routers[name], Remote: s.routers[peer], Backends: s.backends,
	}, s.listener)
}

func (s *show) launch(role, name string, config any, files ...*os.File) error {
	s.mu.Lock() // the child's first event waits until it is known
	defer s.mu.Unlock()
	c, err := start(role, name, config, s.hear, files...)
	if err != nil {
		return err
	}
	s.children[name] = c
	return nil
}

// close ends every child and the listener.
func (s *show) close() {
	s.mu.Lock()
	children := s.children
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range children {
		wg.Go(c.stop)
	}
	wg.Wait()
	_ = s.listener.Close()
}

func (s *show) print(format string, args ...any) {
	fmt.Printf("%6.2fs  %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// errEarly is why a step ends with its context.
var errEarly = errors.New("the end came first")
