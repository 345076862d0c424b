package lvs_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/lvs"
)

// fakePlane remembers what it was told, as "name=id/weight,...".
type fakePlane struct {
	caps lvs.Capabilities
	gate chan struct{} // Apply waits for it, if there is one

	mu    sync.Mutex // guards what follows
	told  []string
	times []time.Time
	fail  error
}

func (p *fakePlane) Capabilities() lvs.Capabilities { return p.caps }

func (p *fakePlane) Apply(ctx context.Context, want []lvs.ServiceSpec) error {
	var all []string
	for _, s := range want {
		var dests []string
		for _, d := range s.Dests {
			text := fmt.Sprint(d.ID, "/", d.Weight)
			if d.Down {
				text += "/down"
			}
			dests = append(dests, text)
		}
		all = append(all, s.Name+"="+strings.Join(dests, ","))
	}
	p.mu.Lock()
	p.told = append(p.told, strings.Join(all, " "))
	p.times = append(p.times, time.Now())
	fail := p.fail
	p.mu.Unlock()
	if p.gate != nil {
		select {
		case <-p.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fail
}

func (p *fakePlane) setFail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

func (p *fakePlane) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told)
}

var tcpPlane = lvs.Capabilities{Name: "fake", Protocols: []lvs.Protocol{lvs.TCP}}

func service(t *testing.T, proto lvs.Protocol, name string, port uint16, opts ...lvs.ServiceOption) *lvs.Service {
	t.Helper()
	s, err := lvs.NewService(proto, netip.AddrPortFrom(vip.Addr(), port), append(opts, lvs.WithName(name))...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectorRefuses(t *testing.T) {
	web := service(t, lvs.TCP, "web", 80)
	dns := service(t, lvs.UDP, "dns", 53)
	own := service(t, lvs.TCP, "own", 81, lvs.WithScheduler(lvs.NewScheduler("rr", never)))
	kernel := lvs.Capabilities{Name: "kernel", Protocols: []lvs.Protocol{lvs.TCP, lvs.UDP}, Schedulers: []string{"rr", "wlc"}}
	old := lvs.Capabilities{Name: "old", Protocols: []lvs.Protocol{lvs.TCP}, Schedulers: []string{"wlc", "lc"}}
	for _, tt := range []struct {
		name     string
		plane    lvs.Plane
		services []*lvs.Service
		want     []string // the lines of the error
		is       error
	}{
		{"carried", &fakePlane{caps: tcpPlane}, []*lvs.Service{web, own}, nil, nil},
		{"carried by the kernel", &fakePlane{caps: kernel}, []*lvs.Service{web, dns}, nil, nil},
		{"protocol", &fakePlane{caps: tcpPlane}, []*lvs.Service{web, dns},
			[]string{"lvs: plane fake cannot carry dns: it carries tcp, not udp"}, errors.ErrUnsupported},
		{"no protocol", &fakePlane{caps: lvs.Capabilities{Name: "none"}}, []*lvs.Service{web},
			[]string{"lvs: plane none cannot carry web: it carries nothing, not tcp"}, errors.ErrUnsupported},
		{"own scheduler of a kernel's name", &fakePlane{caps: kernel}, []*lvs.Service{own},
			[]string{`lvs: plane kernel cannot carry own: it picks by itself and cannot run the scheduler "rr" of this program`}, errors.ErrUnsupported},
		{"scheduler", &fakePlane{caps: old}, []*lvs.Service{web},
			[]string{"lvs: plane old cannot carry web: it has the scheduler wlc, lc, not rr"}, errors.ErrUnsupported},
		{"all at once", &fakePlane{caps: old}, []*lvs.Service{web, dns, own}, []string{
			"lvs: plane old cannot carry web: it has the scheduler wlc, lc, not rr",
			"lvs: plane old cannot carry dns: it carries tcp, not udp",
			`lvs: plane old cannot carry own: it picks by itself and cannot run the scheduler "rr" of this program`,
		}, errors.ErrUnsupported},
		{"duplicate", &fakePlane{caps: tcpPlane}, []*lvs.Service{web, service(t, lvs.TCP, "web2", 80)},
			[]string{"lvs: director: web and web2 are both tcp 192.0.2.10:80: duplicate"}, lvs.ErrDuplicate},
		{"same port, other protocol", &fakePlane{caps: kernel}, []*lvs.Service{dns, service(t, lvs.TCP, "dnstcp", 53)}, nil, nil},
		{"nil service", &fakePlane{caps: tcpPlane}, []*lvs.Service{nil}, []string{"lvs: director: nil service"}, nil},
		{"no service", &fakePlane{caps: tcpPlane}, nil, []string{"lvs: director: no service"}, nil},
		{"no plane", nil, []*lvs.Service{web}, []string{"lvs: director: no plane"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := lvs.NewDirector(tt.plane, tt.services...)
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if d != nil || err == nil || err.Error() != strings.Join(tt.want, "\n") {
				t.Fatalf("NewDirector() = %v, error\n%v, want\n%s", d, err, strings.Join(tt.want, "\n"))
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("the error is not %q", tt.is)
			}
		})
	}
	var refused *lvs.RefusedError
	if _, err := lvs.NewDirector(&fakePlane{caps: tcpPlane}, dns); !errors.As(err, &refused) || refused.Service != "dns" || refused.Plane != "fake" {
		t.Errorf("refused %+v", refused)
	}
}

// run starts a director in a bubble; stop ends it and returns what Run returned.
func run(t *testing.T, plane lvs.Plane, services ...*lvs.Service) (d *lvs.Director, stop func() error) {
	t.Helper()
	d, err := lvs.NewDirector(plane, services...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	synctest.Wait()
	return d, func() error {
		cancel()
		return <-ended
	}
}

func TestDirectorApplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web, mail := service(t, lvs.TCP, "web", 80), service(t, lvs.TCP, "mail", 25)
		web.Add(dest(1), lvs.ID("a"))
		plane := &fakePlane{caps: tcpPlane}
		d, stop := run(t, plane, web, mail)
		steps := []struct {
			do   func() error
			want string // empty: nothing to tell the plane
		}{
			{func() error { return nil }, "web=a/1 mail="},
			{func() error { return mail.Add(dest(2), lvs.ID("b"), lvs.Weight(5)) }, "web=a/1 mail=b/5"},
			{func() error { return web.Add(dest(3), lvs.ID("c")) }, "web=c/1,a/1 mail=b/5"},
			{func() error { return web.SetWeight("a", 1) }, ""},
			{func() error { return web.SetHealth("a", "tcp", true, nil) }, ""},
			{func() error { return web.Drain("a", true) }, "web=c/1,a/0 mail=b/5"},
			{func() error { return web.SetHealth("a", "tcp", false, nil) }, "web=c/1,a/0/down mail=b/5"},
			{func() error { return web.SetHealth("a", "http", false, nil) }, ""},
			{func() error { return web.Remove("a") }, "web=c/1 mail=b/5"},
			{func() error { _, err := web.Pick(lvs.Flow{}); return err }, ""},
		}
		for i, st := range steps {
			before := len(plane.log())
			if i == 0 {
				before = 0
			}
			if err := st.do(); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			synctest.Wait()
			got := plane.log()[before:]
			if want := []string{st.want}; st.want != "" && !slices.Equal(got, want) || st.want == "" && len(got) > 0 {
				t.Errorf("step %d: applied %q, want %q", i, got, st.want)
			}
		}
		if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "runs already") {
			t.Errorf("second Run() = %v", err)
		}
		if err := stop(); err != nil {
			t.Errorf("Run() = %v after a requested stop, want nil", err)
		}
		told := len(plane.log())
		web.SetWeight("c", 9)
		synctest.Wait()
		if got := len(plane.log()); got != told {
			t.Error("a stopped director applies")
		}
	})
}

// TestDirectorCoalesces: what changes while the plane is busy is applied in one go, and the last state wins.
func TestDirectorCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := service(t, lvs.TCP, "web", 80)
		plane := &fakePlane{caps: tcpPlane, gate: make(chan struct{})}
		_, stop := run(t, plane, web)
		web.Add(dest(1), lvs.ID("a"))
		for w := range 100 {
			web.SetWeight("a", w+2)
		}
		plane.gate <- struct{}{}
		synctest.Wait()
		if got, want := plane.log(), []string{"web=", "web=a/101"}; !slices.Equal(got, want) {
			t.Errorf("applied %q, want %q", got, want)
		}
		if err := stop(); err != nil { // in the middle of Apply
			t.Errorf("Run() = %v, want nil", err)
		}
	})
}

func TestDirectorFailures(t *testing.T) {
	broken := errors.New("no such device")
	t.Run("first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, stop := run(t, &fakePlane{caps: tcpPlane, fail: broken}, service(t, lvs.TCP, "web", 80))
			if err := stop(); !errors.Is(err, broken) || err.Error() != "lvs: apply to fake: no such device" {
				t.Errorf("Run() = %v", err)
			}
			if got := d.Snapshot(); got.Applied != 1 || got.Failed != 1 || got.Err != "lvs: apply to fake: no such device" {
				t.Errorf("snapshot %+v", got)
			}
		})
	})
	t.Run("later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			web := service(t, lvs.TCP, "web", 80)
			plane := &fakePlane{caps: tcpPlane}
			d, stop := run(t, plane, web)
			t0 := time.Now()
			plane.setFail(broken)
			web.Add(dest(1), lvs.ID("a"))
			time.Sleep(1500 * time.Millisecond) // the change, and again a second later
			if got := d.Snapshot(); got.Applied != 3 || got.Failed != 2 || got.Err == "" {
				t.Errorf("snapshot %+v while the plane fails", got)
			}
			plane.setFail(nil)
			web.SetWeight("a", 2) // no reason to wait for the second to be over
			synctest.Wait()
			if got := d.Snapshot(); got.Applied != 4 || got.Failed != 2 || got.Err != "" {
				t.Errorf("snapshot %+v when the plane works again", got)
			}
			time.Sleep(time.Hour)
			if err := stop(); err != nil {
				t.Errorf("Run() = %v", err)
			}
			var after []time.Duration
			for _, at := range plane.times {
				after = append(after, at.Sub(t0))
			}
			if want := []time.Duration{0, 0, time.Second, 1500 * time.Millisecond}; !slices.Equal(after, want) {
				t.Errorf("applied after %v, want %v", after, want)
			}
			got := map[string]float64{}
			d.Collect(func(name string, kind byte, value float64, labels ...string) {
				got[name+" "+strings.Join(labels, " ")] = value
			})
			if got["mainstay_lvs_director_applies_total plane fake"] != 4 || got["mainstay_lvs_director_failures_total plane fake"] != 2 {
				t.Errorf("metrics %v", got)
			}
		})
	})
}
