package lvs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/lvs"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestNewServiceRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		proto lvs.Protocol
		vip   string
		opts  []lvs.ServiceOption
		want  []string // parts of the error
	}{
		{"protocol", 50, "192.0.2.10:80", nil, []string{"protocol 50/192.0.2.10:80", "unknown protocol 50"}},
		{"no address", lvs.TCP, "", nil, []string{"not one that a client can connect to", "port 0"}},
		{"multicast", lvs.TCP, "224.0.0.18:80", nil, []string{"not one that a client can connect to"}},
		{"port 0", lvs.TCP, "192.0.2.10:0", nil, []string{"port 0 needs persistence"}},
		{"zero scheduler", lvs.UDP, "192.0.2.10:53", []lvs.ServiceOption{lvs.WithScheduler(lvs.Scheduler{})}, []string{"udp/192.0.2.10:53", "scheduler has no rule"}},
		{"no rule", lvs.TCP, "192.0.2.10:80", []lvs.ServiceOption{lvs.WithScheduler(lvs.NewScheduler("x", nil))}, []string{"scheduler has no rule"}},
		{"no name", lvs.TCP, "192.0.2.10:80", []lvs.ServiceOption{lvs.WithScheduler(lvs.NewScheduler("", never))}, []string{"scheduler has no name"}},
		{"all at once", 0, "224.0.0.18:0", []lvs.ServiceOption{lvs.WithName("web")}, []string{"service web", "unknown protocol 0", "can connect to", "port 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var vip netip.AddrPort
			if tt.vip != "" {
				vip = netip.MustParseAddrPort(tt.vip)
			}
			s, err := lvs.NewService(tt.proto, vip, tt.opts...)
			if s != nil || err == nil {
				t.Fatalf("NewService() = %v, %v, want an error", s, err)
			}
			for _, part := range append(tt.want, "lvs: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func never(lvs.View, lvs.Flow) (int, bool) { return 0, false }

func TestServiceNames(t *testing.T) {
	s, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("[::ffff:192.0.2.10]:80"), lvs.WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Name(), "tcp/192.0.2.10:80"; got != want {
		t.Errorf("Name() = %q, want %q", got, want)
	}
	if got := s.VIP(); got != vip {
		t.Errorf("VIP() = %v, want the IPv4 address %v", got, vip)
	}
	if err := s.Add(netip.MustParseAddrPort("[::ffff:10.0.0.1]:80")); err != nil {
		t.Fatal(err)
	}
	d, err := s.Pick(lvs.Flow{})
	if err != nil {
		t.Fatal(err)
	}
	if d.ID() != "10.0.0.1:80" || d.Group() != s.Name() || d.Addr() != netip.MustParseAddrPort("10.0.0.1:80") {
		t.Errorf("destination %q of %q at %v", d.ID(), d.Group(), d.Addr())
	}
	if got := lvs.SCTP.String(); got != "sctp" {
		t.Errorf("SCTP = %q", got)
	}
}

func TestServiceErrors(t *testing.T) {
	s := pool(t, 2)
	before := s.Snapshot()
	ap := netip.MustParseAddrPort
	for _, tt := range []struct {
		name string
		err  error
		is   error
		want string
	}{
		{"same ID", s.Add(dest(7), lvs.ID("0")), lvs.ErrDuplicate, "lvs: tcp/192.0.2.10:80: add 0: duplicate"},
		{"same address", s.Add(dest(0), lvs.ID("other")), lvs.ErrDuplicate, "add other: duplicate"},
		{"no port", s.Add(ap("10.0.0.9:0")), nil, "not an address and port"},
		{"unspecified", s.Add(ap("0.0.0.0:80")), nil, "not an address and port"},
		{"multicast", s.Add(ap("[ff02::12]:80")), nil, "not an address and port"},
		{"invalid", s.Add(netip.AddrPort{}), nil, "not an address and port"},
		{"empty ID", s.Add(dest(7), lvs.ID("")), nil, "empty ID"},
		{"weight below", s.Add(dest(7), lvs.Weight(-1)), nil, "weight -1 is not in 0..65535"},
		{"weight above", s.SetWeight("0", 65536), nil, "weight 65536 is not in 0..65535"},
		{"update unknown", s.Update("9"), lvs.ErrUnknown, "update 9: unknown destination"},
		{"weight unknown", s.SetWeight("9", 1), lvs.ErrUnknown, "update 9"},
		{"remove unknown", s.Remove("9"), lvs.ErrUnknown, "remove 9"},
		{"health unknown", s.SetHealth("9", "tcp", true, nil), lvs.ErrUnknown, "set health 9"},
		{"drain unknown", s.Drain("9", true), lvs.ErrUnknown, "drain 9"},
		{"nameless source", s.SetHealth("0", "", false, nil), nil, "source has no name"},
		{"change of ID", s.Update("0", lvs.Weight(5), lvs.ID("5")), nil, "ID cannot change"},
		{"update half wrong", s.Update("0", lvs.Weight(5), lvs.ID("")), nil, "empty ID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil {
				t.Fatal("no error")
			}
			if tt.is != nil && !errors.Is(tt.err, tt.is) {
				t.Errorf("error %q is not %q", tt.err, tt.is)
			}
			if !strings.Contains(tt.err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", tt.err, tt.want)
			}
		})
	}
	if after := s.Snapshot(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("refused changes left a mark:\n%v\n%v", before, after)
	}
}

func TestEligible(t *testing.T) {
	type step struct {
		do   func(*lvs.Service) error
		want string // picks of the one destination
	}
	health := func(source string, up bool) func(*lvs.Service) error {
		return func(s *lvs.Service) error { return s.SetHealth("0", source, up, errors.New("refused")) }
	}
	weight := func(w int) func(*lvs.Service) error {
		return func(s *lvs.Service) error { return s.SetWeight("0", w) }
	}
	drain := func(on bool) func(*lvs.Service) error {
		return func(s *lvs.Service) error { return s.Drain("0", on) }
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"weight 0 quiesces", []step{{weight(0), "-"}, {weight(3), "0"}}},
		{"sources are ANDed", []step{
			{health("tcp", true), "0"}, {health("http", false), "-"}, {health("tcp", true), "-"}, {health("tcp", false), "-"},
			{health("http", true), "-"}, {health("tcp", true), "0"},
		}},
		{"drain is apart from health", []step{{drain(true), "-"}, {health("tcp", false), "-"}, {drain(false), "-"}, {health("tcp", true), "0"}}},
		{"drain is apart from weight", []step{{drain(true), "-"}, {weight(9), "-"}, {drain(true), "-"}, {drain(false), "0"}}},
		{"weight is kept while down", []step{{health("tcp", false), "-"}, {weight(0), "-"}, {health("tcp", true), "-"}, {weight(1), "0"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := pool(t, 1)
			for i, st := range tt.steps {
				if err := st.do(s); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if got := pick(s); got != st.want {
					t.Errorf("step %d: Pick() = %s, want %s", i, got, st.want)
				}
			}
		})
	}
}

func TestPickExcept(t *testing.T) {
	s := pool(t, 4) // list order 3 2 1 0
	s.SetWeight("1", 0)
	first := must(s.Pick(lvs.Flow{})) // 3
	if got := pick(s); got != "2" {
		t.Fatalf("second pick %s, want 2", got)
	}
	second := must(s.Pick(lvs.Flow{}, first)) // 0, which rr takes anyway
	if got := second.ID(); got != "0" {
		t.Errorf("third pick %s, want 0", got)
	}
	// rr insists on 3 now: the next eligible one is 2, as 1 has weight 0.
	if got := pick(s, first, second); got != "2" {
		t.Errorf("Pick() = %s although 3 and 0 were tried, want 2", got)
	}
	third := must(s.Pick(lvs.Flow{}, first, second))
	if got := third.ID(); got != "2" {
		t.Errorf("Pick() = %s, want 2", got)
	}
	if _, err := s.Pick(lvs.Flow{}, first, second, third); err != lvs.ErrNoDest {
		t.Errorf("Pick() = %v when all were tried, want ErrNoDest", err)
	}
	if got := s.Snapshot().Refused; got != 0 {
		t.Errorf("refused %d, want 0: connections whose first pick found somebody are not refused ones", got)
	}
	if _, err := pool(t, 0).Pick(lvs.Flow{}); err != lvs.ErrNoDest {
		t.Errorf("Pick() = %v of an empty service, want ErrNoDest", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestOwnScheduler checks what a scheduler sees and that it cannot pick whom it must not.
func TestOwnScheduler(t *testing.T) {
	var answer int
	var saw []string
	client := netip.MustParseAddrPort("198.51.100.7:40000")
	sched := lvs.NewScheduler("mine", func(v lvs.View, f lvs.Flow) (int, bool) {
		saw = saw[:0]
		for i := range v.Len() {
			saw = append(saw, fmt.Sprint(v.Dest(i).ID(), " w", v.Weight(i), " a", v.Active(i), " i", v.Inactive(i), " ", v.Eligible(i)))
		}
		if f.Client != client || f.Virtual != vip {
			t.Errorf("flow %v", f)
		}
		return answer, answer != 100
	})
	if got := sched.String(); got != "mine" {
		t.Errorf("String() = %q", got)
	}
	s := pool(t, 3, lvs.WithScheduler(sched))
	s.Update("1", lvs.Weight(0))
	s.SetWeight("2", 7)
	flow := lvs.Flow{Client: client, Virtual: vip}
	b := must(s.Pick(flow)).Bind()
	defer b.Unbind()
	for _, tt := range []struct {
		answer int
		want   string
	}{{0, "2"}, {1, "-"}, {2, "0"}, {3, "-"}, {-1, "-"}, {100, "-"}} {
		answer = tt.answer
		got := "-"
		if d, err := s.Pick(flow); err == nil {
			got = d.ID()
		}
		if got != tt.want {
			t.Errorf("answer %d: Pick() = %s, want %s", tt.answer, got, tt.want)
		}
	}
	if want := []string{"2 w7 a0 i1 true", "1 w0 a0 i0 false", "0 w1 a0 i0 true"}; !slices.Equal(saw, want) {
		t.Errorf("the scheduler saw %q, want %q", saw, want)
	}
	if got := s.Snapshot().Refused; got != 4 {
		t.Errorf("refused %d, want 4", got)
	}
}

func TestBooks(t *testing.T) {
	s := pool(t, 2)
	d := must(s.Pick(lvs.Flow{})) // 1
	a, b := d.Bind(), d.Bind()
	c := must(s.Pick(lvs.Flow{})).Bind() // 0
	a.SetActive(true)
	a.SetActive(true)
	a.In(10)
	a.Out(1000)
	c.SetActive(true)
	c.In(5)
	check := func(when string, counters lvs.Counters, want lvs.Counters) {
		t.Helper()
		if counters != want {
			t.Errorf("%s: %+v, want %+v", when, counters, want)
		}
	}
	snap := s.Snapshot()
	check("service", snap.Counters, lvs.Counters{Active: 2, Inactive: 1, Total: 3, Conns: 3, InBytes: 15, OutBytes: 1000})
	check("1", snap.Dests[0].Counters, lvs.Counters{Active: 1, Inactive: 1, Total: 2, Conns: 2, InBytes: 10, OutBytes: 1000})
	check("0", snap.Dests[1].Counters, lvs.Counters{Active: 1, Total: 1, Conns: 1, InBytes: 5})

	a.SetActive(false) // the first FIN
	b.Fail()
	b.Fail()
	b.Unbind()
	if b.Dest() != nil || a.Dest() != d {
		t.Errorf("bound to %v and %v", b.Dest(), a.Dest())
	}
	// The books of a service outlive a destination, and so does a connection.
	s.Remove("1")
	c.Unbind()
	c.Unbind()
	snap = s.Snapshot()
	check("service", snap.Counters, lvs.Counters{Inactive: 1, Total: 1, Conns: 3, Failed: 1, InBytes: 15, OutBytes: 1000})
	a.Unbind()
	check("at the end", s.Snapshot().Counters, lvs.Counters{Conns: 3, Failed: 1, InBytes: 15, OutBytes: 1000})
	var zero lvs.Binding
	zero.SetActive(true)
	zero.Unbind()
	zero.Fail()
}

func TestSnapshotJSON(t *testing.T) {
	s := pool(t, 2, lvs.WithName("web"))
	s.SetHealth("1", "tcp", false, errors.New("connection refused"))
	s.SetHealth("1", "icmp", true, nil)
	snap := s.Snapshot()
	s.SetHealth("1", "tcp", false, errors.New("connection refused")) // the same verdict again
	for i, h := range s.Snapshot().Dests[0].Health {
		if h.Since.IsZero() || h != snap.Dests[0].Health[i] {
			t.Errorf("health %+v, then %+v", snap.Dests[0].Health[i], h)
		}
		snap.Dests[0].Health[i].Since = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	got, err := json.MarshalIndent(snap, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const counters = `"active":0,"inactive":0,"total":0,"conns":0,"failed":0,"in_bytes":0,"out_bytes":0`
	const want = `{"group":"web","protocol":"tcp","vip":"192.0.2.10:80","scheduler":"rr",` + counters + `,"refused":0,"destinations":[` +
		`{"backend":"1","addr":"10.0.0.1:80","weight":1,"effective_weight":0,"up":false,"drained":false,` + counters +
		`,"health":[{"source":"icmp","up":true,"since":"2000-01-01T00:00:00Z"},` +
		`{"source":"tcp","up":false,"cause":"connection refused","since":"2000-01-01T00:00:00Z"}]},` +
		`{"backend":"0","addr":"10.0.0.0:80","weight":1,"effective_weight":1,"up":true,"drained":false,` + counters + `}]}`
	var flat bytes.Buffer
	json.Compact(&flat, got)
	if flat.String() != want {
		t.Errorf("snapshot\n%s, want\n%s", &flat, want)
	}
}

func TestCollect(t *testing.T) {
	s := pool(t, 1, lvs.WithName("web"))
	b := must(s.Pick(lvs.Flow{})).Bind()
	defer b.Unbind()
	b.SetActive(true)
	b.In(3)
	got := map[string]float64{}
	s.Collect(func(name string, kind byte, value float64, labels ...string) {
		if (kind == 'c') != strings.HasSuffix(name, "_total") || len(labels)%2 != 0 {
			t.Errorf("%s has kind %c and labels %q", name, kind, labels)
		}
		got[name+" "+strings.Join(labels, " ")] = value
	})
	for name, want := range map[string]float64{
		"mainstay_lvs_connections_active group web":                   1,
		"mainstay_lvs_incoming_bytes_total group web":                 3,
		"mainstay_lvs_refused_total group web":                        0,
		"mainstay_lvs_backend_connections_total group web backend 0":  1,
		"mainstay_lvs_backend_connections_active group web backend 0": 1,
		"mainstay_lvs_backend_weight group web backend 0":             1,
		"mainstay_lvs_backend_effective_weight group web backend 0":   1,
		"mainstay_lvs_backend_up group web backend 0":                 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v (%v), want %v", name, v, ok, want)
		}
	}
}

// TestLog checks that what an operator reads about are the changes, each of them once.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	s := pool(t, 0, lvs.WithName("web"), lvs.WithLogger(nil), lvs.WithLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))))
	s.Add(dest(1), lvs.ID("a"), lvs.Weight(3))
	s.Add(dest(1), lvs.ID("a"))
	s.SetHealth("a", "tcp", true, nil)
	s.SetHealth("a", "tcp", false, errors.New("timed out"))
	s.SetHealth("a", "http", false, errors.New("status 500"))
	s.SetHealth("a", "tcp", true, nil)
	s.SetHealth("a", "http", true, nil)
	s.Drain("a", true)
	s.Drain("a", true)
	s.Remove("a")
	const want = `level=INFO msg="destination added" group=web backend=a addr=10.0.0.1:80 weight=3
level=INFO msg="destination down" group=web backend=a source=tcp err="timed out"
level=INFO msg="destination up" group=web backend=a source=http
level=INFO msg="destination drain" group=web backend=a on=true
level=INFO msg="destination removed" group=web backend=a
`
	if out.String() != want {
		t.Errorf("log\n%swant\n%s", &out, want)
	}
}
