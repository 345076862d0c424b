package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// printer writes whole lines, from any goroutine.
type printer struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (p *printer) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, text+"\n") // who stops to read the output does not stop the router
}

// stamp is RFC 3339 with nanoseconds that keep their zeros, so that lines of several hosts sort.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") }

// transitionLine is what is printed for a change of state:
//
//	2026-01-01T12:00:00.000000000Z vrid=51 iface=eth0 from=backup to=active reason=no-response priority=100 name=eth0-51
//
// group= comes after the reason where there is one, peer= where another router was the cause, err= where an error was.
func transitionLine(in *instance, t vrrp.Transition) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s vrid=%d iface=%s from=%v to=%v reason=%v", stamp(t.Time), t.VRID, in.iface, t.From, t.To, t.Reason)
	if in.group != "" {
		fmt.Fprintf(&b, " group=%s", in.group)
	}
	fmt.Fprintf(&b, " priority=%d", t.Priority)
	if t.Peer.IsValid() {
		fmt.Fprintf(&b, " peer=%s", speaker(t.Peer))
	}
	fmt.Fprintf(&b, " name=%s", in.name)
	if t.Err != nil {
		fmt.Fprintf(&b, " err=%q", t.Err)
	}
	return b.String()
}

// speaker is an identity without the port 0 of protocols that have none.
func speaker(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}
