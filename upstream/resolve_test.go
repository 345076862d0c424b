package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memResolver is a resolver in memory: what set says, after a while.
type memResolver struct {
	mu    sync.Mutex
	zone  map[question]memAnswer
	asked map[question]int
	delay time.Duration
	late  time.Duration // more for IPv6
}

type memAnswer struct {
	records []Record
	ttl     time.Duration
	err     error
}

func newMemResolver() *memResolver {
	return &memResolver{zone: map[question]memAnswer{}, asked: map[question]int{}}
}

func (m *memResolver) Lookup(ctx context.Context, name string, kind RecordKind) ([]Record, time.Duration, error) {
	q := question{name, kind}
	m.mu.Lock()
	a, ok := m.zone[q]
	m.asked[q]++
	delay := m.delay
	if kind == RecordAAAA {
		delay += m.late
	}
	m.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	if !ok {
		return nil, 30 * time.Second, fmt.Errorf("%w: %s", ErrNoRecords, name)
	}
	return a.records, a.ttl, a.err
}

// set makes the addresses of a host "192.0.2.1 2001:db8::1", of a ttl of 10 s; ""
// for none.
func (m *memResolver) set(host, addrs string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.zone, question{host, RecordA})
	delete(m.zone, question{host, RecordAAAA})
	for _, a := range strings.Fields(addrs) {
		kind := RecordA
		if strings.Contains(a, ":") {
			kind = RecordAAAA
		}
		at := m.zone[question{host, kind}]
		at.records, at.ttl = append(slices.Clip(at.records), ip(a)), 10*time.Second
		m.zone[question{host, kind}] = at
	}
}

// srv sets the records of a service: "0 5 80 a.example., 1 5 80 b.example.".
func (m *memResolver) srv(name, records string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var a memAnswer
	a.ttl = 10 * time.Second
	for r := range strings.SplitSeq(records, ",") {
		var x Record
		if _, err := fmt.Sscan(r, &x.Priority, &x.Weight, &x.Port, &x.Target); err == nil {
			a.records = append(a.records, x)
		}
	}
	m.zone[question{name, RecordSRV}] = a
}

func (m *memResolver) fail(host string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.zone[question{host, RecordA}] = memAnswer{err: err}
	m.zone[question{host, RecordAAAA}] = memAnswer{err: err}
}

// slow sets how long a lookup takes.
func (m *memResolver) slow(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delay = d
}

// count is how often a question was asked.
func (m *memResolver) count(q question) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[q]
}

// lines is a log that is read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// take returns what was written since the last call.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// bubble runs f in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// goRun runs the pool until the test ends or stop is called, which joins it.
func goRun(t *testing.T, p *Pool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	synctest.Wait()
	return stop
}

// shape shows the peers of a pool in configured order: id, and what is not usual.
func shape(p *Pool) string {
	var out []string
	for _, b := range p.Snapshot().Backends {
		s := b.ID
		if b.Weight != 1 {
			s += fmt.Sprintf("*%d", b.Weight)
		}
		if b.Backup {
			s += " backup"
		}
		if b.State != StateUp {
			s += " " + string(b.State)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func wantShape(t *testing.T, p *Pool, want string) {
	t.Helper()
	if got := shape(p); got != want {
		t.Errorf("peers = %s\nwant    %s", got, want)
	}
}

// TestResolve: a name has no peers before Run, one for each address then, in its
// place, and follows the answers.
func TestResolve(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.2 192.0.2.1 2001:db8::1")
		p := newPool(t, WithResolver(m), server("a"),
			WithServer("Web.Example:80", Resolve(), Weight(3), MaxFails(4)), server("z"))
		wantShape(t, p, "a, z")
		goRun(t, p)
		must(t, p.Resolved(t.Context()))
		wantShape(t, p, "a, Web.Example/192.0.2.1:80*3, Web.Example/192.0.2.2:80*3, Web.Example/[2001:db8::1]:80*3, z")
		if p.Peers() != 5 {
			t.Errorf("%d peers, want 5", p.Peers())
		}
		for _, b := range p.view.Load().all[1:4] {
			if !strings.HasSuffix(b.ID(), "/"+b.Addr()) || b.Network() != "tcp" || b.maxFails != 4 {
				t.Errorf("%s dials %s %s, max_fails %d", b.ID(), b.Network(), b.Addr(), b.maxFails)
			}
		}

		stays, goes := p.view.Load().byID["Web.Example/192.0.2.2:80"], p.view.Load().byID["Web.Example/192.0.2.1:80"]
		failOne(t, p, p.Now(), stays.ID())
		m.set("web.example", "192.0.2.3 192.0.2.2")
		generation := p.Snapshot().Generation
		time.Sleep(12 * time.Second)
		synctest.Wait()
		wantShape(t, p, "a, Web.Example/192.0.2.2:80*3, Web.Example/192.0.2.3:80*3, Web.Example/[2001:db8::1]:80*3, z") // of AAAA there are said to be none
		if p.view.Load().byID[stays.ID()] != stays || status(t, p, stays.ID()).Fails != 1 || stays.Gone() {
			t.Error("the peer whose address stayed lost its state")
		}
		if !goes.Gone() {
			t.Error("the peer whose address went is not gone")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		wantShape(t, p, "a, Web.Example/192.0.2.2:80*3, Web.Example/192.0.2.3:80*3, z")
		m.set("web.example", "192.0.2.2 192.0.2.3")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := p.Snapshot().Generation - generation; got != 2 {
			t.Errorf("%d changes of the configuration, want 2: another order is none", got)
		}
	})
}

// TestResolveLiteral: an address has nothing to resolve.
func TestResolveLiteral(t *testing.T) {
	p := newPool(t, WithServer("192.0.2.1:80", Resolve()), WithServer("[2001:db8::1]:80", Resolve()))
	wantShape(t, p, "192.0.2.1:80, [2001:db8::1]:80")
	must(t, p.Resolved(t.Context()))
	must(t, p.Update("192.0.2.1:80", Weight(2)))
}

// TestResolveKeeps: a failure keeps the last good answer for as long as it lasts,
// and is logged once; that there are no records is believed after the hold.
func TestResolveKeeps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var out lines
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		logged := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := strings.TrimSpace(out.take()); got != want {
				t.Errorf("logged\n%s\nwant\n%s", got, want)
			}
		}
		m := newMemResolver()
		m.set("web.example", "192.0.2.1")
		p := newPool(t, WithLogger(log), WithResolver(m), WithServer("web.example:80", Resolve()))
		stop := goRun(t, p)
		logged(`level=INFO msg="backend added" group=default backend=web.example/192.0.2.1:80 addr=192.0.2.1:80`)

		m.fail("web.example", errors.New("server failure"))
		time.Sleep(24 * time.Hour)
		wantShape(t, p, "web.example/192.0.2.1:80")
		logged(`level=WARN msg="name does not resolve" group=default backend=web.example:80 addresses=1 err="A web.example: server failure"`)
		n := p.Snapshot().Names[0]
		if n.Err != "A web.example: server failure" || !n.Resolved || n.Failures < 2*24*60 || n.Lookups != n.Failures+2 {
			t.Errorf("name = %+v", n)
		}
		m.set("web.example", "192.0.2.1")
		time.Sleep(time.Minute)
		logged(`level=INFO msg="name resolves again" group=default backend=web.example:80`)

		m.set("web.example", "")
		time.Sleep(12 * time.Second)
		synctest.Wait()
		wantShape(t, p, "web.example/192.0.2.1:80")
		logged(`level=WARN msg="name does not resolve" group=default backend=web.example:80 addresses=1 err="A web.example: upstream: no such name, or no records of that kind: web.example"`)
		time.Sleep(time.Minute)
		wantShape(t, p, "")
		if id, _ := pick(p, p.Now()); id != "none" {
			t.Errorf("pick = %s, want none", id)
		}
		logged("level=INFO msg=\"backend removed\" group=default backend=web.example/192.0.2.1:80\nlevel=WARN msg=\"no peer is eligible\" group=default")
		stop()
	})
}

// TestService: SRV records map as nginx maps them.
func TestService(t *testing.T) {
	tests := []struct {
		name string
		opts []ServerOption
		srv  string
		want string
	}{
		{"weights", nil, "1 10 80 a.example., 1 0 81 b.example.", "web/192.0.2.1:80*10, web/192.0.2.2:81"},
		{"weight of the server", []ServerOption{Weight(7)}, "1 10 80 a.example., 1 0 81 b.example.", "web/192.0.2.1:80*7, web/192.0.2.2:81*7"},
		{"priorities", nil, "5 1 80 a.example., 9 1 80 b.example., 7 2 80 c.example.",
			"web/192.0.2.1:80, web/192.0.2.2:80 backup, web/192.0.2.3:80*2 backup, web/192.0.2.4:80*2 backup"},
		{"lowest with an address", nil, "0 1 80 nobody.example., 3 1 80 a.example., 4 1 80 b.example.", "web/192.0.2.1:80, web/192.0.2.2:80 backup"},
		{"backup server", []ServerOption{Backup()}, "5 1 80 a.example., 9 1 80 b.example.", "web/192.0.2.1:80 backup"},
		{"several addresses each with the full weight", nil, "0 4 80 c.example.", "web/192.0.2.3:80*4, web/192.0.2.4:80*4"},
		{"one address twice", nil, "2 3 80 a.example., 1 5 80 alias.example., 2 3 81 a.example.", "web/192.0.2.1:80*5, web/192.0.2.1:81*3 backup"},
		{"no such service", nil, "0 0 0 .", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m := newMemResolver()
				m.set("a.example.", "192.0.2.1")
				m.set("alias.example.", "192.0.2.1")
				m.set("b.example.", "192.0.2.2")
				m.set("c.example.", "192.0.2.3 192.0.2.4")
				m.srv("_http._tcp.web.example", tt.srv)
				p := newPool(t, WithResolver(m), WithServer("web.example", append(tt.opts, ID("web"), Service("http"))...))
				stop := goRun(t, p)
				wantShape(t, p, tt.want)
				stop()
			})
		})
	}
}

// TestServiceNames: a service with a dot is put before the host as it is.
func TestServiceNames(t *testing.T) {
	for service, want := range map[string]string{
		"http": "_http._tcp.web.example", "_http._udp": "_http._udp.web.example", "Server1.backend": "server1.backend.web.example",
	} {
		p := newPool(t, WithServer("web.example", Service(service)))
		if n := p.Snapshot().Names[0]; n.Name != want || n.Kind != "SRV" || n.ID != "web.example" || n.Resolved {
			t.Errorf("service %s = %+v, want %s", service, n, want)
		}
	}
}

// TestServiceFollows: peers keep their state while weights and targets change,
// and a new target is used when its addresses are known, not before.
func TestServiceFollows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("a.example.", "192.0.2.1")
		m.set("b.example.", "192.0.2.2")
		m.srv("_http._tcp.web.example", "0 5 80 a.example.")
		p := newPool(t, WithResolver(m), WithServer("web.example", ID("web"), Service("http"), MaxFails(9)), server("x"))
		goRun(t, p)
		failOne(t, p, p.Now(), "web/192.0.2.1:80")
		a := p.view.Load().byID["web/192.0.2.1:80"]
		m.srv("_http._tcp.web.example", "0 8 80 a.example., 1 2 80 b.example., 1 2 80 down.example.")
		m.fail("down.example.", errLost)
		time.Sleep(12 * time.Second)
		synctest.Wait()
		wantShape(t, p, "web/192.0.2.1:80*8, web/192.0.2.2:80*2 backup, x")
		if b := p.view.Load().byID["web/192.0.2.1:80"]; b != a || status(t, p, b.id).Fails != 1 {
			t.Error("a changed weight lost the state")
		}
		if n := p.Snapshot().Names[0]; n.Err != "A down.example.: server failure" {
			t.Errorf("err = %q", n.Err)
		}
	})
}

// TestServiceKeeps: a service whose new hosts cannot be looked up keeps its
// addresses, until it is known that there are none.
func TestServiceKeeps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("a.example.", "192.0.2.1")
		m.srv("_http._tcp.web.example", "0 1 80 a.example.")
		p := newPool(t, WithResolver(m), WithServer("web.example", ID("web"), Service("http")))
		goRun(t, p)
		m.fail("b.example.", errLost)
		m.srv("_http._tcp.web.example", "0 1 80 nobody.example., 0 1 80 b.example.")
		time.Sleep(time.Hour)
		wantShape(t, p, "web/192.0.2.1:80")
		m.set("b.example.", "")
		time.Sleep(time.Minute)
		synctest.Wait()
		wantShape(t, p, "")
	})
}

// TestServiceWaits: a slow target holds its service's change back until its
// first answers.
func TestServiceWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("a.example.", "192.0.2.1")
		m.srv("_http._tcp.web.example", "0 1 80 a.example.")
		m.slow(3 * time.Second)
		p := newPool(t, WithResolver(m, ResolveIPv6(false)), WithServer("web.example", ID("web"), Service("http")))
		goRun(t, p)
		time.Sleep(5 * time.Second)
		wantShape(t, p, "")
		if n := p.Snapshot().Names[0]; n.Resolved || n.Lookups != 1 {
			t.Errorf("name = %+v, want it not resolved", n)
		}
		time.Sleep(1500 * time.Millisecond)
		wantShape(t, p, "web/192.0.2.1:80")
		if m.count(question{"a.example.", RecordAAAA}) != 0 {
			t.Error("IPv6 was asked for")
		}
	})
}

// TestResolveTogether: a name is used when both families have had their first
// answers, so that the first requests do not all go to one of them.
func TestResolveTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1 2001:db8::1")
		m.late = 3 * time.Second
		p := newPool(t, WithResolver(m), WithServer("web.example:80", Resolve()))
		goRun(t, p)
		wantShape(t, p, "")
		must(t, p.Resolved(t.Context()))
		wantShape(t, p, "web.example/192.0.2.1:80, web.example/[2001:db8::1]:80")
	})
}

// TestNamesChange: names come and go while Run runs, and change with all their
// peers.
func TestNamesChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1 192.0.2.2")
		m.set("api.example", "192.0.2.3")
		p := newPool(t, WithResolver(m))
		goRun(t, p)
		must(t, p.Resolved(t.Context()))
		must(t, p.Add("web.example:80", Resolve()))
		must(t, p.Add("192.0.2.9:80", ID("s")))
		must(t, p.Add("api.example:80", Resolve(), ID("api")))
		must(t, p.Resolved(t.Context()))
		wantShape(t, p, "web.example/192.0.2.1:80, web.example/192.0.2.2:80, s, api/192.0.2.3:80")

		failOne(t, p, p.Now(), "web.example/192.0.2.1:80")
		must(t, p.Update("web.example:80", Weight(4), MaxFails(3)))
		must(t, p.SetWeight("api", 2))
		wantShape(t, p, "web.example/192.0.2.1:80*4, web.example/192.0.2.2:80*4, s, api/192.0.2.3:80*2")
		if s := status(t, p, "web.example/192.0.2.1:80"); s.Fails != 1 || s.MaxFails != 3 {
			t.Errorf("fails %d, max_fails %d; want 1, 3", s.Fails, s.MaxFails)
		}
		must(t, p.Update("s", Address("192.0.2.8:80")))
		must(t, p.Update("api", Backup(), Weight(1)))
		wantShape(t, p, "web.example/192.0.2.1:80*4, web.example/192.0.2.2:80*4, s, api/192.0.2.3:80 backup")

		must(t, p.Drain("web.example:80", true))
		must(t, p.Drain("api/192.0.2.3:80", true))
		m.set("web.example", "192.0.2.1 192.0.2.7")
		time.Sleep(12 * time.Second)
		synctest.Wait()
		wantShape(t, p, "web.example/192.0.2.1:80*4 draining, web.example/192.0.2.7:80*4 draining, s, api/192.0.2.3:80 backup draining")
		must(t, p.Drain("web.example:80", false))
		must(t, p.SetHealth("web.example/192.0.2.7:80", "http", false, nil))
		wantShape(t, p, "web.example/192.0.2.1:80*4, web.example/192.0.2.7:80*4 unhealthy, s, api/192.0.2.3:80 backup draining")

		lease, err := p.TryPick(p.Now(), new(Request))
		must(t, err)
		held := lease.Backend()
		web, err := p.TryPick(p.Now(), new(Request))
		must(t, err)
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if left, err := p.DrainFor(soon, "web.example:80"); left != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DrainFor() of a name = %d, %v; want the 1 request on %s", left, err, web.Backend().ID())
		}
		web.Done(p.Now(), Success)
		if left, err := p.DrainFor(t.Context(), "web.example:80"); left != 0 || err != nil {
			t.Errorf("DrainFor() of a name = %d, %v; want none", left, err)
		}
		must(t, p.Remove("web.example:80"))
		must(t, p.Remove("s"))
		wantShape(t, p, "api/192.0.2.3:80 backup draining")
		if s := p.Snapshot(); !held.Gone() || s.Leaving != 1 || len(s.Names) != 1 {
			t.Errorf("gone %v, leaving %d, %d names; want true, 1, 1", held.Gone(), s.Leaving, len(s.Names))
		}
		lease.Done(p.Now(), Success)
		asked := m.count(question{"web.example", RecordA})
		time.Sleep(time.Hour)
		if got := m.count(question{"web.example", RecordA}); got != asked {
			t.Error("a removed name is still asked for")
		}
	})
}

// TestNameErrors: what names refuse, with nothing changed.
func TestNameErrors(t *testing.T) {
	web := WithServer("web.example:80", Resolve())
	tests := []struct {
		name string
		opts []Option
		want string
	}{
		{"path", []Option{WithServer("unix:/run/a", Resolve())}, `address "unix:/run/a": is not a name to resolve`},
		{"no port", []Option{WithServer("web.example", Resolve())}, `missing port`},
		{"no name", []Option{WithServer("web_1.exa mple:80", Resolve())}, `has a space`},
		{"label", []Option{WithServer("web..example:80", Resolve())}, `address "web..example:80": has a label`},
		{"port of a service", []Option{WithServer("web.example:80", Service("http"))}, `address "web.example:80": has a character that no host name has`},
		{"service of an address", []Option{WithServer("192.0.2.1", Service("http"))}, `has no services: it is not a name`},
		{"empty service", []Option{WithServer("web.example", Service(""))}, `service "": is empty`},
		{"bad service", []Option{WithServer("web.example", Service("a b"))}, `service "a b": has a character`},
		{"twice", []Option{web, web}, `server 2 has the id "web.example:80" of server 1`},
		{"same prefix", []Option{web, WithServer("web.example:81", Resolve())}, `duplicate backend: group "default": the ids of "web.example:81" and of "web.example:80"`},
		{"a peer's id", []Option{web, server("web.example/192.0.2.1:80")}, `the ids of "web.example/192.0.2.1:80" and of "web.example:80"`},
		{"a peer's id before", []Option{server("web.example/x"), web}, `the ids of "web.example:80" and of "web.example/x"`},
		{"a name like a peer", []Option{WithServer("x.example:80", Resolve(), ID("web.example/x")), web}, `the ids of "web.example:80" and of "web.example/x"`},
		{"nil resolver", []Option{WithResolver(nil)}, `resolver: the resolver is nil`},
		{"nil option", []Option{WithResolver(new(DNS), nil)}, `resolver: 1 of the options are nil`},
		{"valid", []Option{WithResolver(new(DNS), ResolveValid(-1))}, `valid -1ns is negative`},
		{"ttl", []Option{WithResolver(new(DNS), ResolveTTL(time.Minute, time.Second))}, `the bounds of the ttl, 1m0s and 1s`},
		{"ttl 0", []Option{WithResolver(new(DNS), ResolveTTL(0, time.Second))}, `the bounds of the ttl, 0s and 1s`},
		{"hold", []Option{WithResolver(new(DNS), ResolveHold(-1))}, `hold -1ns is negative`},
		{"timeout", []Option{WithResolver(new(DNS), ResolveTimeout(0))}, `timeout 0s is not positive`},
		{"no family", []Option{WithResolver(new(DNS), ResolveIPv4(false), ResolveIPv6(false))}, `neither IPv4 nor IPv6`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.opts...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "upstream: ") {
				t.Errorf("New() = %v, want it to say %s", err, tt.want)
			}
		})
	}

	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1")
		p := newPool(t, WithResolver(m), web, server("s"))
		goRun(t, p)
		before := fmt.Sprintf("%+v", p.Snapshot())
		peer := "web.example/192.0.2.1:80"
		for _, tt := range []struct {
			err  error
			want string
		}{
			{p.Remove(peer), `"web.example/192.0.2.1:80" is an address of "web.example:80"`},
			{p.Update(peer, Weight(2)), `is an address of "web.example:80": change that`},
			{p.SetWeight(peer, 2), `is an address of`},
			{p.Update("web.example:80", Address("api.example:80")), `update "web.example:80": what is resolved cannot change`},
			{p.Update("web.example:80", Service("http")), `what is resolved cannot change`},
			{p.Update("web.example:80", ID("x")), `the id cannot become "x"`},
			{p.Update("web.example:80", Weight(0)), `weight 0`},
			{p.Update("s", Resolve()), `what is resolved cannot change`},
			{p.SetHealth("web.example:80", "http", false, nil), `unknown backend`},
			{p.Add("192.0.2.1:80", ID("web.example/x")), `duplicate backend`},
			{p.Add("web.example:81", Resolve()), `duplicate backend`},
			{p.Add("web.example:80"), `duplicate backend`},
			{p.Add("x.example", Service("")), `service ""`},
		} {
			if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %s", tt.err, tt.want)
			}
		}
		if after := fmt.Sprintf("%+v", p.Snapshot()); after != before {
			t.Errorf("refused changes changed the pool:\n%s\nto\n%s", before, after)
		}
	})
}

// TestResolved: it waits for every name, and says which have no address and why.
func TestResolved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1")
		m.fail("api.example", errLost)
		p := newPool(t, WithResolver(m), WithServer("web.example:80", Resolve()),
			WithServer("api.example:80", Resolve()), WithServer("no.example:80", Resolve()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Resolved(ctx) // without Run
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"web.example:80": no answer yet`) {
			t.Errorf("Resolved() = %v", err)
		}
		goRun(t, p)
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err = p.Resolved(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errLost) || !errors.Is(err, ErrNoRecords) ||
			strings.Contains(err.Error(), "web.example") || !strings.Contains(err.Error(), `"no.example:80": A no.example`) {
			t.Errorf("Resolved() = %v", err)
		}
		must(t, p.Remove("no.example:80"))
		var wg sync.WaitGroup
		wg.Go(func() { err = p.Resolved(t.Context()) })
		time.Sleep(time.Minute)
		m.set("api.example", "192.0.2.2")
		wg.Wait()
		must(t, err)
		wantShape(t, p, "web.example/192.0.2.1:80, api.example/192.0.2.2:80")
	})
}

// TestRun: one at a time, no lookup left when it ends, and the next goes on from
// where it was.
func TestRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1")
		p := newPool(t, WithResolver(m), WithServer("web.example:80", Resolve()))
		stop := goRun(t, p)
		if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "Run goes on already") {
			t.Errorf("a second Run() = %v", err)
		}
		m.slow(time.Hour)
		time.Sleep(15 * time.Second) // lookups are under way
		stop()
		wantShape(t, p, "web.example/192.0.2.1:80")
		m.slow(0)
		m.set("web.example", "192.0.2.2 192.0.2.1")
		goRun(t, p)
		wantShape(t, p, "web.example/192.0.2.1:80, web.example/192.0.2.2:80")
		b := p.view.Load().all[0]
		if b.Gone() {
			t.Error("the peer of the first Run is gone")
		}
	})
}

// TestRunTimeout: a lookup that takes too long is given up.
func TestRunTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1")
		m.slow(time.Hour)
		p := newPool(t, WithResolver(m, ResolveTimeout(2*time.Second)), WithServer("web.example:80", Resolve()))
		goRun(t, p)
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if n := p.Snapshot().Names[0]; n.Failures != 2 || !strings.Contains(n.Err, "deadline exceeded") {
			t.Errorf("name = %+v, want two failures", n)
		}
	})
}

// TestRunEmpty: a pool without names needs no Run; with it, nothing happens.
func TestRunEmpty(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t, server("a"))
		must(t, p.Resolved(t.Context()))
		stop := goRun(t, p)
		time.Sleep(time.Hour)
		stop()
		wantShape(t, p, "a")
	})
}

// TestResolveTraffic: requests go on while the addresses change, and nothing in
// flight is lost count of.
func TestResolveTraffic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1")
		p := newPool(t, WithResolver(m, ResolveValid(time.Millisecond), ResolveHold(0)),
			WithServer("web.example:80", Resolve(), MaxConns(3), MaxFails(0)), server("s", Backup(), MaxFails(0)))
		goRun(t, p)
		must(t, p.Resolved(t.Context()))
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for range 300 {
					var r Request
					lease, err := p.TryPick(p.Now(), &r)
					if err != nil {
						t.Errorf("pick: %v", err)
						return
					}
					time.Sleep(time.Duration(i+1) * 300 * time.Microsecond)
					lease.Done(p.Now(), Outcome(i%2))
				}
			})
		}
		wg.Go(func() {
			for i := range 200 {
				m.set("web.example", fmt.Sprintf("192.0.2.%d 192.0.2.%d", i%5+1, i%3+1))
				must(t, p.SetWeight("web.example:80", i%7+1))
				time.Sleep(time.Millisecond)
			}
		})
		wg.Wait()
		s := p.Snapshot()
		for _, b := range s.Backends {
			if b.Active != 0 {
				t.Errorf("%s has %d in flight", b.ID, b.Active)
			}
		}
		if s.Leaving != 0 || s.NoPeer != 0 {
			t.Errorf("leaving %d, no_peer %d", s.Leaving, s.NoPeer)
		}
	})
}

// TestNameSnapshot: the snapshot and the metrics show the names.
func TestNameSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemResolver()
		m.set("web.example", "192.0.2.1")
		p := newPool(t, WithName("web"), WithResolver(m), WithServer("web.example:80", Resolve()), WithServer("no.example:80", Resolve()))
		goRun(t, p)
		out, err := json.Marshal(p.Snapshot())
		must(t, err)
		for _, want := range []string{
			`"names":[{"backend":"web.example:80","name":"web.example","kind":"A and AAAA","resolved":true,"addresses":["192.0.2.1:80"],"looked":"20`,
			`"next":"20`, `"changed":"20`, `"lookups":2,"failures":0}`,
			`"resolved":false,"addresses":[],"looked":"20`, `"err":"A no.example: upstream: no such name`,
		} {
			if !bytes.Contains(out, []byte(want)) {
				t.Errorf("%s\nlacks %s", out, want)
			}
		}
		n := p.Snapshot().Names[0]
		if d := n.Next.Sub(n.Looked); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("next lookup after %v, want a ttl of 10s and up to a tenth", d)
		}
		got := map[string]float64{}
		p.Collect(func(name string, kind byte, value float64, labels ...string) {
			if strings.HasSuffix(name, "_total") != (kind == 'c') {
				t.Errorf("%s has kind %c", name, kind)
			}
			got[strings.Join(append([]string{name}, labels...), " ")] = value
		})
		for key, want := range map[string]float64{
			"mainstay_upstream_resolve_total group web backend web.example:80":          2,
			"mainstay_upstream_resolve_failures_total group web backend web.example:80": 0,
			"mainstay_upstream_resolve_addresses group web backend web.example:80":      1,
			"mainstay_upstream_resolve_ok group web backend web.example:80":             1,
			"mainstay_upstream_resolve_ok group web backend no.example:80":              0,
		} {
			if v, ok := got[key]; !ok || v != want {
				t.Errorf("%s = %v, %v; want %v", key, v, ok, want)
			}
		}
	})
}
