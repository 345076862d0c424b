package upstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// t0 is where the tests' clocks start: any time but never, which is 0.
const t0 = int64(time.Hour)

const ms = int64(time.Millisecond)

// newPool returns a pool or fails t.
func newPool(t testing.TB, opts ...Option) *Pool {
	t.Helper()
	p, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// server is WithServer for tests that care about names and not addresses.
func server(id string, opts ...ServerOption) Option {
	return WithServer("192.0.2.1:80", append([]ServerOption{ID(id)}, opts...)...)
}

// pick picks for a new request and returns the backend's id, or the error in a
// word.
func pick(p *Pool, now int64) (string, Lease) { return pickFor(p, now, new(Request)) }

func pickFor(p *Pool, now int64, r *Request) (string, Lease) {
	l, err := p.TryPick(now, r)
	switch {
	case errors.Is(err, ErrNoPeer):
		return "none", l
	case errors.Is(err, ErrBusy):
		return "busy", l
	case err != nil:
		return err.Error(), l
	}
	return l.Backend().ID(), l
}

// sequence picks n times, each request a success that ends at once.
func sequence(p *Pool, now int64, n int) string {
	var ids []string
	for range n {
		id, l := pick(p, now)
		l.Done(now, Success)
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

// must fails t if err is not nil.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// status is the snapshot of one backend.
func status(t testing.TB, p *Pool, id string) BackendSnapshot {
	t.Helper()
	for _, s := range p.Snapshot().Backends {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("no backend %q in the snapshot", id)
	return BackendSnapshot{}
}
