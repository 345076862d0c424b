package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// T is what a laboratory needs of a test. A program brings its own.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
	Cleanup(func())
	Context() context.Context
	TempDir() string
}

// Config says what to build.
type Config struct {
	Hosts    int           // default 2, at most 200
	LANs     int           // networks that every host is on, default 1, at most 8
	Patience time.Duration // of Wait, default 30s
}

// Lab is hosts on one or more networks.
type Lab struct {
	t       T
	config  Config
	sw      *namespace // has the bridges
	hosts   []*Host
	capture *capture
	fenced  bool // the table for Cut is there

	mu        sync.Mutex    // guards everything below
	changed   chan struct{} // closed at the next change, if somebody waits
	processes []*Process
}

// New builds a laboratory, which t's cleanup takes down.
func New(t T, c Config) *Lab {
	t.Helper()
	if c.Hosts == 0 {
		c.Hosts = 2
	}
	if c.LANs == 0 {
		c.LANs = 1
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Second
	}
	l := &Lab{t: t, config: c}
	t.Cleanup(l.close)
	l.sw = l.namespace()
	for n := 1; n <= c.Hosts; n++ {
		l.hosts = append(l.hosts, &Host{N: n, lab: l, ns: l.namespace()})
	}
	for _, h := range l.hosts {
		h.watch()
	}
	batch := &strings.Builder{}
	for lan := range c.LANs {
		fmt.Fprintf(batch, "link add %s type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n", bridge(lan))
		fmt.Fprintf(batch, "link set %s address 02:77:00:%02x:ff:ff up\n", bridge(lan), lan)
	}
	var rooms []*os.File
	for i, h := range l.hosts {
		rooms = append(rooms, h.ns.file)
		for lan := range c.LANs {
			batch.WriteString(h.cable(lan, 3+i))
		}
	}
	l.ip(l.sw, batch.String(), rooms...)
	l.capture = l.listen()
	for _, h := range l.hosts {
		h.configure()
	}
	return l
}

// Host returns host n, from 1.
func (l *Lab) Host(n int) *Host { return l.hosts[n-1] }

// Hosts returns all hosts.
func (l *Lab) Hosts() []*Host { return slices.Clone(l.hosts) }

// Wait returns when ok says so. It asks whenever something has happened.
func (l *Lab) Wait(what string, ok func() bool) {
	l.t.Helper()
	limit := time.NewTimer(l.config.Patience)
	defer limit.Stop()
	for {
		changed := l.next()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			l.Fatalf("waited %v for: %s", l.config.Patience, what)
		case <-l.t.Context().Done():
			l.Fatalf("the test ended while it waited for: %s", what)
		}
	}
}

// Fatalf fails the test, and shows what happened last.
func (l *Lab) Fatalf(format string, args ...any) {
	l.t.Helper()
	l.Show()
	l.t.Fatalf("lab: "+format, args...)
}

// Show logs what the hosts and their programs did last.
func (l *Lab) Show() {
	l.t.Helper()
	l.mu.Lock()
	processes := slices.Clone(l.processes)
	l.mu.Unlock()
	for _, p := range processes {
		lines := p.Lines()
		l.t.Logf("lab: host %d, %s (%d), the last of %d lines:", p.host.N, p.Name, p.PID(), len(lines))
		for _, line := range lines[max(0, len(lines)-20):] {
			l.t.Logf("    %s  %s", line.At.Format("05.000000"), line.Text)
		}
	}
	frames := l.Frames()
	l.t.Logf("lab: the last of %d frames:", len(frames))
	for _, f := range frames[max(0, len(frames)-20):] {
		l.t.Logf("    %v", f)
	}
	for _, h := range l.hosts {
		l.t.Logf("lab: host %d: %v", h.N, h.Addrs())
	}
}

// next returns a channel that is closed at the next change.
func (l *Lab) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// notify wakes those who wait.
func (l *Lab) notify() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

func (l *Lab) namespace() *namespace {
	l.t.Helper()
	n, err := newNamespace()
	if err != nil {
		l.t.Fatalf("lab: network namespace: %v", err)
	}
	n.do(tune)
	return n
}

// tune makes a new namespace deterministic.
func tune() {
	set := func(path, value string) {
		// What this kernel does not have, or does not let us have, changes nothing here.
		_ = os.WriteFile("/proc/sys/net/"+path, []byte(value), 0)
	}
	for _, k := range []string{"all", "default"} {
		set("ipv4/conf/"+k+"/rp_filter", "0")
		for _, name := range []string{"accept_dad", "dad_transmits", "router_solicitations", "accept_ra"} {
			set("ipv6/conf/"+k+"/"+name, "0")
		}
	}
	for _, name := range []string{"arptables", "iptables", "ip6tables"} {
		set("bridge/bridge-nf-call-"+name, "0")
	}
}

func (l *Lab) close() {
	for _, p := range l.processes {
		p.end()
	}
	if l.capture != nil {
		l.capture.close()
	}
	for _, h := range l.hosts {
		if h.watcher != nil {
			h.watcher.close()
		}
		h.ns.close()
	}
	if l.sw != nil {
		l.sw.close()
	}
}

func bridge(lan int) string { return fmt.Sprintf("br%d", lan) }
