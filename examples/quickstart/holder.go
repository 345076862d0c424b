//go:build unix

package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/proxy"
)

// drainTime is how long requests under way may take after the node has given the address up.
const drainTime = 5 * time.Second

// A holder stands in for an address: to hold it is to accept from the inherited listener.
//
// Its take and leave are called in order, on one goroutine of the router.
type holder struct {
	inherited *os.File
	proxy     *proxy.Proxy
	drained   func() // called when the last connection of a term has ended
	term      *term
	draining  sync.WaitGroup // servers of earlier terms
}

// A term is one time of holding the address: one server of the proxy.
type term struct {
	server *proxy.Server
	served chan error
}

// take makes a listener of the inherited descriptor and serves on it.
func (h *holder) take(context.Context, []netip.Prefix) error {
	if h.term != nil {
		return nil
	}
	ln, err := net.FileListener(h.inherited) // a descriptor of its own: closing it touches no other
	if err != nil {
		return err
	}
	t := &term{server: h.proxy.Server(), served: make(chan error, 1)}
	go func() { t.served <- t.server.Serve(ln) }() // joined by leave
	h.term = t
	return nil
}

// leave stops accepting, and lets what was accepted finish in the background.
func (h *holder) leave(context.Context, []netip.Prefix) error {
	if h.term == nil {
		return nil
	}
	t := h.term
	h.term = nil
	h.draining.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err := t.server.Shutdown(ctx); err != nil {
			_ = t.server.Close() // cuts what is left, which Shutdown has reported
		}
		<-t.served
		h.drained()
	})
	return nil
}

// wait returns when every earlier term has ended. The router must have given the address up.
func (h *holder) wait() { h.draining.Wait() }
