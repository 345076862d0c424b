package upstream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNewErrors(t *testing.T) {
	tests := []struct {
		name string
		opts []Option
		want []string // each in the error
	}{
		{"empty address", []Option{WithServer("")}, []string{`server 1: address "": is empty`}},
		{"no port", []Option{WithServer("192.0.2.1")}, []string{`address "192.0.2.1": missing port`}},
		{"no host", []Option{WithServer(":80")}, []string{`address ":80": has no host`}},
		{"bare IPv6", []Option{WithServer("2001:db8::1:80")}, []string{`too many colons`}},
		{"port 0", []Option{WithServer("192.0.2.1:0")}, []string{`port "0" is not a number from 1 to 65535`}},
		{"port too large", []Option{WithServer("192.0.2.1:65536")}, []string{`port "65536"`}},
		{"named port", []Option{WithServer("192.0.2.1:http")}, []string{`port "http"`}},
		{"signed port", []Option{WithServer("192.0.2.1:+80")}, []string{`port "+80"`}},
		{"empty port", []Option{WithServer("192.0.2.1:")}, []string{`port ""`}},
		{"space", []Option{WithServer("192.0.2.1 :80")}, []string{`has a space`}},
		{"control", []Option{WithServer("192.0.2.1:80\n")}, []string{`has a space or a control character`}},
		{"unix without path", []Option{WithServer("unix:")}, []string{`address "unix:": has no path`}},
		{"unix with NUL", []Option{WithServer("unix:/a\x00b")}, []string{`has a NUL`}},
		{"weight 0", []Option{server("a", Weight(0))}, []string{`weight 0 is outside 1 to 65535`}},
		{"weight negative", []Option{server("a", Weight(-3))}, []string{`weight -3`}},
		{"weight too large", []Option{server("a", Weight(65536))}, []string{`weight 65536`}},
		{"max_fails", []Option{server("a", MaxFails(-1))}, []string{`max_fails -1 is negative`}},
		{"fail_timeout", []Option{server("a", FailTimeout(-time.Second))}, []string{`fail_timeout -1s is negative`}},
		{"max_conns", []Option{server("a", MaxConns(-1))}, []string{`max_conns -1 is negative`}},
		{"empty id", []Option{server("")}, []string{`the id is empty`}},
		{"id with a space", []Option{server("a b")}, []string{`id "a b" has a space`}},
		{"nil option", []Option{nil}, []string{`option 1 is nil`}},
		{"nil server option", []Option{server("a", nil, nil)}, []string{`2 of the options are nil`}},
		{"address twice", []Option{server("a", Address("192.0.2.2:80"))}, []string{`Address "192.0.2.2:80" is for Update`}},
		{"group", []Option{WithName("")}, []string{`group name ""`}},
		{"group with a newline", []Option{WithName("a\nb")}, []string{`group name "a\nb"`}},
		{"duplicate id", []Option{server("a"), server("b"), server("a")}, []string{`duplicate backend: group "default": server 3 has the id "a" of server 1`}},
		{"duplicate address", []Option{WithServer("192.0.2.1:80"), WithServer("192.0.2.1:80")}, []string{`server 2 has the id "192.0.2.1:80" of server 1`}},
		{"percent", []Option{WithName("g%d"), WithServer("[fe80::1%eth0]:0")}, []string{`group "g%d": server 1: address "[fe80::1%eth0]:0"`}},
		{"all at once", []Option{WithName("web"), WithServer("x", Weight(0)), server("b"), WithServer("192.0.2.1:80", MaxConns(-1), MaxFails(-2))},
			[]string{`group "web": server 1: address "x"`, `group "web": server 1: weight 0`, `group "web": server 3: max_fails -2`, `group "web": server 3: max_conns -1`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := New(tt.opts...)
			if err == nil || p != nil {
				t.Fatalf("New() = %v, %v; want nil and an error", p, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("New() = %v, want it to say %s", err, want)
				}
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "upstream: ") {
					t.Errorf("line %q does not begin with the package", line)
				}
			}
			if dup := strings.HasPrefix(tt.name, "duplicate"); errors.Is(err, ErrDuplicate) != dup {
				t.Errorf("errors.Is(%v, ErrDuplicate) = %v, want %v", err, !dup, dup)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct{ given, network, dial string }{
		{"192.0.2.1:80", "tcp", "192.0.2.1:80"},
		{"[2001:db8::1]:8080", "tcp", "[2001:db8::1]:8080"},
		{"[fe80::1%eth0]:80", "tcp", "[fe80::1%eth0]:80"},
		{"web.example:65535", "tcp", "web.example:65535"},
		{"unix:/run/app.sock", "unix", "/run/app.sock"},
		{"unix:/run/my app.sock", "unix", "/run/my app.sock"},
	}
	for _, tt := range tests {
		t.Run(tt.given, func(t *testing.T) {
			p := newPool(t, WithServer(tt.given, ID("a")))
			_, l := pick(p, t0)
			b := l.Backend()
			if b.Network() != tt.network || b.Addr() != tt.dial {
				t.Errorf("dial %s %s, want %s %s", b.Network(), b.Addr(), tt.network, tt.dial)
			}
			if b.Gone() {
				t.Error("backend is gone")
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	p := newPool(t, WithServer("192.0.2.1:80"), WithBalancer(Balancer{}), WithLogger(nil))
	s := p.Snapshot()
	if s.Group != "default" || p.Name() != "default" || s.Balancer != "round_robin" || (Balancer{}).String() != "round_robin" {
		t.Errorf("group %q, balancer %q", s.Group, s.Balancer)
	}
	b := s.Backends[0]
	if b.ID != "192.0.2.1:80" || b.Weight != 1 || b.MaxFails != 1 || b.FailTimeout != 10*time.Second || b.MaxConns != 0 || b.Backup || b.State != StateUp {
		t.Errorf("backend = %+v", b)
	}
}

func TestEmptyPool(t *testing.T) {
	p := newPool(t)
	if id, _ := pick(p, t0); id != "none" || p.Peers() != 0 {
		t.Errorf("pick = %s of %d peers, want none of 0", id, p.Peers())
	}
	must(t, p.Add("192.0.2.1:80", ID("a")))
	if id, _ := pick(p, t0); id != "a" || p.Peers() != 1 {
		t.Errorf("pick = %s of %d peers, want a of 1", id, p.Peers())
	}
}

func TestChangeErrors(t *testing.T) {
	p := newPool(t, WithName("web"), server("a", Weight(3)), server("b"))
	before := fmt.Sprintf("%+v", p.Snapshot())
	unknown := []func() error{
		func() error { return p.Remove("x") },
		func() error { return p.Update("x", Weight(2)) },
		func() error { return p.SetWeight("x", 2) },
		func() error { return p.SetHealth("x", "http", true, nil) },
		func() error { return p.Drain("x", true) },
	}
	for i, f := range unknown {
		err := f()
		if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), `group "web": id "x"`) {
			t.Errorf("change %d of an unknown backend = %v, want %v naming it", i, err, ErrUnknown)
		}
	}
	refused := []struct {
		name, want string
		err        error
	}{
		{"duplicate", `id "a"`, p.Add("192.0.2.5:80", ID("a"))},
		{"bad address", `add "192.0.2.5": address "192.0.2.5"`, p.Add("192.0.2.5")},
		{"bad options", `add "192.0.2.5:80": weight 0`, p.Add("192.0.2.5:80", Weight(0))},
		{"weight", `update "a": weight 0`, p.SetWeight("a", 0)},
		{"one of two", `update "a": max_conns -1`, p.Update("a", Weight(9), MaxConns(-1))},
		{"rename", `the id cannot become "c"`, p.Update("a", ID("c"))},
		{"move to nowhere", `address "y"`, p.Update("a", Address("y"))},
		{"nil option", `1 of the options are nil`, p.Update("a", nil)},
		{"no source", `the source is empty`, p.SetHealth("a", "", false, nil)},
	}
	for _, tt := range refused {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s = %v, want it to say %s", tt.name, tt.err, tt.want)
		}
	}
	if !errors.Is(refused[0].err, ErrDuplicate) {
		t.Errorf("%v is not %v", refused[0].err, ErrDuplicate)
	}
	if after := fmt.Sprintf("%+v", p.Snapshot()); after != before {
		t.Errorf("refused changes changed the pool:\n%s\nto\n%s", before, after)
	}
}

// TestUpdateKeeps: state follows the id through every change but a new address.
func TestUpdateKeeps(t *testing.T) {
	p := newPool(t, server("a", Weight(10), MaxFails(5)), server("b"))
	_, held := pick(p, t0)
	failOne(t, p, t0, "a")
	must(t, p.SetHealth("a", "http", false, errors.New("503")))
	must(t, p.SetWeight("a", 20))
	must(t, p.Update("a", MaxConns(7)))
	s := status(t, p, "a")
	if s.Weight != 20 || s.Effective != 18 || s.MaxConns != 7 || s.MaxFails != 5 {
		t.Errorf("weight %d, effective %d, max_conns %d, max_fails %d; want 20, 18, 7, 5", s.Weight, s.Effective, s.MaxConns, s.MaxFails)
	}
	if s.Active != 1 || s.Fails != 1 || s.Requests != 2 || s.State != StateUnhealthy {
		t.Errorf("active %d, fails %d, requests %d, %s; want 1, 1, 2, unhealthy", s.Active, s.Fails, s.Requests, s.State)
	}
	must(t, p.SetWeight("a", 1))
	if s := status(t, p, "a"); s.Effective != 0 {
		t.Errorf("effective weight = %d, want 0: the penalty is larger than the weight", s.Effective)
	}

	old := held.Backend()
	must(t, p.Update("a", Address("192.0.2.2:81")))
	if !old.Gone() {
		t.Error("the backend at the old address is not gone")
	}
	s = status(t, p, "a")
	if s.Addr != "192.0.2.2:81" || s.Weight != 1 || s.MaxConns != 7 {
		t.Errorf("address %s, weight %d, max_conns %d; want 192.0.2.2:81, 1, 7", s.Addr, s.Weight, s.MaxConns)
	}
	if s.Active != 0 || s.Fails != 0 || s.Requests != 0 || s.State != StateUp || s.Effective != 1 {
		t.Errorf("the moved a begins with %+v", s)
	}
	held.Done(t0, Success)
}

// TestMaxFailsChange: the limit counts from the moment it changes.
func TestMaxFailsChange(t *testing.T) {
	p := newPool(t, server("a", MaxFails(3)), server("b"))
	failOne(t, p, t0, "a")
	for _, tt := range []struct {
		maxFails int
		want     State
	}{{1, StateUnavailable}, {2, StateUp}, {0, StateUp}, {1, StateUnavailable}} {
		must(t, p.Update("a", MaxFails(tt.maxFails)))
		if got := status(t, p, "a").State; got != tt.want {
			t.Errorf("with max_fails=%d a is %s, want %s", tt.maxFails, got, tt.want)
		}
	}
}

func TestDownAndDrain(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	_, held := pick(p, t0)
	must(t, p.Drain("a", true))
	must(t, p.Drain("a", true))
	if got := sequence(p, t0, 2); got != "b b" {
		t.Errorf("picks while a drains = %s, want b b", got)
	}
	if s := status(t, p, "a"); s.State != StateDraining || s.Active != 1 || p.Peers() != 2 {
		t.Errorf("a is %s with %d active in a pool of %d; want draining, 1, 2", s.State, s.Active, p.Peers())
	}
	held.Done(t0, Success)
	must(t, p.Update("a", Down()))
	if s := status(t, p, "a"); s.State != StateDown || p.Peers() != 1 {
		t.Errorf("a is %s in a pool of %d; want down, 1", s.State, p.Peers())
	}
	must(t, p.Update("a", Up()))
	must(t, p.Drain("a", false))
	if got := sequence(p, t0, 4); strings.Count(got, "a") != 2 {
		t.Errorf("picks with a back = %s, want two of a", got)
	}
}

// TestNoLongRuns: after the weights shrank by orders of magnitude, the peers
// still take turns.
func TestNoLongRuns(t *testing.T) {
	changes := []struct {
		name   string
		change func(*Pool) error
	}{
		{"weight", func(p *Pool) error { return p.SetWeight("a", 1) }},
		{"remove", func(p *Pool) error { return p.Remove("a") }},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, server("a", Weight(60000)), server("b"), server("c"))
			sequence(p, t0, 20_002) // b has gathered credit, c as much
			failOne(t, p, t0, "a")
			must(t, tt.change(p))
			last, run := "", 0
			for range 1000 {
				id, l := pick(p, t0)
				l.Done(t0, Success)
				if run++; id != last {
					last, run = id, 1
				}
				if run > 6 {
					t.Fatalf("%s had %d turns in a row", id, run)
				}
				if id == "a" {
					run = 0
				}
			}
		})
	}
}
