package vrrp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// calls is an installer whose manager writes down what it is called for. Each
// call waits for the gate.
type calls struct {
	*installer
	gate  chan struct{}
	got   string
	vips  [][]netip.Prefix
	ended []bool // whether the context of a call had ended when it returned
	done  []installed
	quiet chan struct{}
}

func newCalls(vips ...netip.Prefix) *calls {
	c := &calls{gate: make(chan struct{}), quiet: make(chan struct{}, 100)}
	call := func(name string) func(context.Context, []netip.Prefix) error {
		return func(ctx context.Context, vips []netip.Prefix) error {
			c.got += name
			c.vips = append(c.vips, vips)
			<-c.gate
			c.ended = append(c.ended, ctx.Err() != nil)
			return nil
		}
	}
	c.installer = newInstaller(context.Background(), funcAddresses{call("i"), call("r")}, c)
	c.want.vips = vips
	return c
}

func (c *calls) called(i installed) {
	c.done = append(c.done, i)
	c.settled()
}

func (c *calls) rested() { c.quiet <- struct{}{} }

// Orders that have not begun undo each other, and the last one prevails. A
// Remove interrupts the Install that runs.
func TestInstallerOrder(t *testing.T) {
	for _, c := range []struct{ orders, want string }{
		{"ir", "ir"}, {"iri", "iri"}, {"irir", "ir"}, {"iririr", "ir"}, {"iriri", "iri"}, {"i", "i"},
	} {
		synctest.Test(t, func(t *testing.T) {
			in := newCalls(vips4...)
			for i, o := range c.orders {
				in.push(o == 'i')
				if i == 0 {
					synctest.Wait() // the first has begun, the others wait
				}
			}
			if !in.busy() {
				t.Errorf("%s: not busy", c.orders)
			}
			close(in.gate)
			in.working.Wait()
			if in.got != c.want || in.busy() || len(in.quiet) != 1 {
				t.Errorf("%s: called %s, want %s; busy %v, at rest %d times", c.orders, in.got, c.want, in.busy(), len(in.quiet))
			}
			if in.ended[0] != (len(c.orders) > 1) {
				t.Errorf("%s: the first Install was interrupted: %v", c.orders, in.ended[0])
			}
			for i, done := range in.done {
				last := i == len(in.done)-1
				if current := in.current(done); done.install && current != (last && in.want.on) {
					t.Errorf("%s: call %d is in force: %v", c.orders, i, current)
				}
			}
		})
	}
}

// What is no longer wanted is removed, then all is installed again.
func TestInstallerChange(t *testing.T) {
	a, b, c := netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("192.0.2.3/24")
	longer := netip.PrefixFrom(a.Addr(), 32)
	for _, x := range []struct {
		name     string
		from, to []netip.Prefix
		want     string
		vips     [][]netip.Prefix
	}{
		{"one more", []netip.Prefix{a}, []netip.Prefix{a, b}, "iir", [][]netip.Prefix{{a}, {a, b}, {a, b}}},
		{"one less", []netip.Prefix{a, b}, []netip.Prefix{b}, "irir", [][]netip.Prefix{{a, b}, {a}, {b}, {b}}},
		{"others", []netip.Prefix{a, b}, []netip.Prefix{c}, "irir", [][]netip.Prefix{{a, b}, {a, b}, {c}, {c}}},
		{"another length", []netip.Prefix{a}, []netip.Prefix{longer}, "irir", [][]netip.Prefix{{a}, {a}, {longer}, {longer}}},
		{"none", []netip.Prefix{a}, nil, "irir", [][]netip.Prefix{{a}, {a}, nil, nil}},
	} {
		in := newCalls(x.from...)
		close(in.gate)
		in.push(true)
		in.working.Wait()
		in.change(x.to)
		in.working.Wait()
		in.push(false)
		in.working.Wait()
		if in.got != x.want || !slices.EqualFunc(in.vips, x.vips, slices.Equal) {
			t.Errorf("%s: called %s for %v, want %s for %v", x.name, in.got, in.vips, x.want, x.vips)
		}
	}
	in := newCalls(a)
	close(in.gate)
	in.change([]netip.Prefix{b}) // while nothing is held
	in.working.Wait()
	in.push(true)
	in.working.Wait()
	if want := [][]netip.Prefix{{b}}; in.got != "i" || !slices.EqualFunc(in.vips, want, slices.Equal) {
		t.Errorf("called %s for %v", in.got, in.vips)
	}
}

// A change while an Install runs does not interrupt it; its end means nothing.
func TestInstallerChangeMeetsInstall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newCalls(vips4...)
		in.push(true)
		synctest.Wait()
		in.change(append(vips4[:1:1], netip.MustParsePrefix("192.0.2.101/24")))
		close(in.gate)
		in.working.Wait()
		if in.got != "ii" || slices.Contains(in.ended, true) || in.current(in.done[0]) || !in.current(in.done[1]) {
			t.Errorf("called %s, interrupted %v, in force %v and %v", in.got, in.ended, in.current(in.done[0]), in.current(in.done[1]))
		}
	})
}

// The same over a whole router: what is advertised, held and told changes
// without a transition.
func TestUpdateAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		refuse := false
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), WithOnTransition(j.transition), WithAddresses(FuncAddresses(
			func(_ context.Context, vips []netip.Prefix) error {
				j.add("install %v", vips)
				if refuse {
					return errors.New("no")
				}
				return nil
			},
			func(_ context.Context, vips []netip.Prefix) error { j.add("remove %v", vips); return nil })))
		pass(500 * time.Millisecond)
		j.take()
		fake.link.adverts()
		other := netip.MustParsePrefix("192.0.2.101/24")
		if err := r.Update(WithVIPs(other)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		j.expect(t, "500ms remove [192.0.2.100/24]", "500ms install [192.0.2.101/24]")
		if sent := fake.link.adverts(); len(sent) != 1 || !slices.Equal(sent[0].Addrs, []netip.Addr{other.Addr()}) || sent[0].Priority != owner {
			t.Errorf("sent %+v, want one advert of the new address", sent)
		}
		if got := r.Snapshot().VirtualAddresses; !slices.Equal(got, []netip.Prefix{other}) {
			t.Errorf("Snapshot() has %v", got)
		}
		pass(time.Second)
		if sent := fake.link.adverts(); len(sent) != 1 {
			t.Errorf("sent %d adverts in the next second, want 1: the cadence stays", len(sent))
		}

		refuse = true
		if err := r.Update(WithVIPs(vips4...)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		got := j.take()
		slices.Sort(got[2:]) // two goroutines
		if want := []string{"1.5s remove [192.0.2.101/24]", "1.5s install [192.0.2.100/24]", "1.5s active>fault fault", "1.5s remove [192.0.2.100/24]"}; !slices.Equal(got, want) {
			t.Errorf("journal %q, want %q", got, want)
		}
		_ = r.end()
		if err := r.Update(WithVIPs(other, vips4[0])); err != nil {
			t.Fatal(err)
		}
		if got := r.Snapshot().VirtualAddresses; len(got) != 2 {
			t.Errorf("Snapshot() while stopped has %v", got)
		}
		for _, bad := range []Option{WithVIPs(vips6...), WithVIPs(other, other), WithVIPs(netip.Prefix{})} {
			if err := r.Update(bad); err == nil {
				t.Error("Update() took bad addresses")
			}
		}
	})
}
