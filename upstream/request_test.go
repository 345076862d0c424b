package upstream

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// TestTriedEveryPeer: a request that keeps failing meets every peer once, also
// where the tried set spills over its first word.
func TestTriedEveryPeer(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		for _, n := range []int{1, 2, 63, 64, 65, 200} {
			t.Run(fmt.Sprintf("%v/%d", bal, n), func(t *testing.T) {
				opts := []Option{WithBalancer(bal)}
				for i := range n {
					if i%3 == 2 {
						opts = append(opts, server(fmt.Sprint(i), Backup(), MaxFails(0)))
						continue
					}
					opts = append(opts, server(fmt.Sprint(i), MaxFails(0)))
				}
				p := newPool(t, opts...)
				if p.Peers() != n {
					t.Fatalf("Peers() = %d, want %d", p.Peers(), n)
				}
				r := new(Request)
				for range 2 {
					seen := map[string]bool{}
					for r.Tries() < p.Peers() {
						id, l := pickFor(p, t0, r)
						if seen[id] || l.Backend() == nil {
							t.Fatalf("try %d = %s, seen before: %v", r.Tries(), id, seen[id])
						}
						seen[id] = true
						l.Done(t0, Failure)
					}
					if id, _ := pickFor(p, t0, r); id != "none" {
						t.Errorf("after every peer = %s, want none", id)
					}
					r.Reset()
				}
			})
		}
	}
}

// TestTriedFollowsPeers: between two tries the membership changes so that every
// index means another peer.
func TestTriedFollowsPeers(t *testing.T) {
	for _, n := range []int{4, 100} { // within one word, and spilled
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var opts []Option
			for i := range n {
				opts = append(opts, server(fmt.Sprint(i), MaxFails(0)))
			}
			p := newPool(t, opts...)
			r := new(Request)
			tried := map[string]bool{}
			for i := range n / 2 {
				id, l := pickFor(p, t0, r)
				tried[id] = true
				l.Done(t0, Failure)
				if i%5 == 1 { // the first one goes, a new one comes
					first := p.Snapshot().Backends[0].ID
					must(t, p.Remove(first))
					must(t, p.Add("192.0.2.1:80", ID(fmt.Sprint("new", i)), MaxFails(0)))
				}
				if i%5 == 2 {
					must(t, p.Update(id, Backup())) // another rank
				}
			}
			for {
				id, l := pickFor(p, t0, r)
				if id == "none" {
					break
				}
				if tried[id] {
					t.Errorf("%s was tried twice", id)
				}
				tried[id] = true
				l.Done(t0, Failure)
			}
			for _, s := range p.Snapshot().Backends {
				if !tried[s.ID] {
					t.Errorf("%s was never tried", s.ID)
				}
			}
		})
	}
}

// TestTriedSameIDNewAddress: an id that moved to another address is another peer.
func TestTriedSameIDNewAddress(t *testing.T) {
	p := newPool(t, server("a"), server("b", Down()))
	r := new(Request)
	_, l := pickFor(p, t0, r)
	l.Done(t0, Failure)
	if id, _ := pickFor(p, t0, r); id != "none" {
		t.Fatalf("second try = %s, want none", id)
	}
	must(t, p.Update("a", Address("192.0.2.7:80")))
	id, l := pickFor(p, t0, r)
	if id != "a" || l.Backend().Addr() != "192.0.2.7:80" {
		t.Errorf("try after the move = %s, want a at the new address", id)
	}
}

// TestRequestOfAnotherPool: the memory of one pool's tries means nothing in
// another pool.
func TestRequestOfAnotherPool(t *testing.T) {
	p, q := newPool(t, server("a"), server("b")), newPool(t, server("a"), server("b"))
	r := new(Request)
	_, l := pickFor(p, t0, r)
	l.Done(t0, Failure)
	if id, _ := pickFor(q, t0, r); id != "a" {
		t.Errorf("pick in the other pool = %s, want a", id)
	}
}

func TestTriesAndReset(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	r := &Request{Key: []byte("k"), Addr: netip.MustParseAddr("192.0.2.77"), Sticky: "s", Safe: true}
	_, l := pickFor(p, t0, r)
	if r.Tries() != 1 {
		t.Errorf("Tries() = %d, want 1", r.Tries())
	}
	l.Done(t0, Free)
	if r.Tries() != 0 {
		t.Errorf("Tries() after Free = %d, want 0", r.Tries())
	}
	_, l = pickFor(p, t0, r)
	r.Cause = errors.New("refused")
	l.Done(t0, Failure)
	if r.Cause != nil {
		t.Errorf("Cause after Done = %v, want nil", r.Cause)
	}
	r.Cause = errors.New("stays")
	r.Reset()
	if r.Key != nil || r.Addr.IsValid() || r.Sticky != "" || r.Safe || r.Cause != nil || r.Tries() != 0 {
		t.Errorf("after Reset: %+v", r)
	}
}

// TestBackups: they serve when no primary can, and a request stays with them.
func TestBackups(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, server("x", Backup(), Weight(2)), server("a"), server("y", Backup()), WithBalancer(bal))
			if got, want := sequence(p, t0, 3), "a a a"; got != want {
				t.Errorf("picks = %s, want %s", got, want)
			}
			must(t, p.SetHealth("a", "test", false, nil))
			if got, want := sequence(p, t0, 6), "x y x x y x"; got != want {
				t.Errorf("picks without a = %s, want %s", got, want)
			}
			r := new(Request)
			_, l := pickFor(p, t0, r)
			must(t, p.SetHealth("a", "test", true, nil))
			l.Done(t0, Pass)
			if id, _ := pickFor(p, t0, r); id != "y" {
				t.Errorf("retry of a request at the backups = %s, want y", id)
			}
			if got, want := sequence(p, t0, 2), "a a"; got != want {
				t.Errorf("picks with a again = %s, want %s", got, want)
			}
		})
	}
}

// TestBackupsBusy: a full primary sends the overflow to the backups; only when
// they cannot take it the answer is busy.
func TestBackupsBusy(t *testing.T) {
	p := newPool(t, server("a", MaxConns(1)), server("b", Backup(), MaxConns(2)))
	var leases []Lease
	for _, want := range []string{"a", "b", "b", "busy", "busy"} {
		id, l := pick(p, t0)
		if id != want {
			t.Fatalf("pick = %s, want %s", id, want)
		}
		leases = append(leases, l)
	}
	must(t, p.SetHealth("b", "test", false, nil))
	if id, _ := pick(p, t0); id != "busy" {
		t.Errorf("pick with b out = %s, want busy", id)
	}
	must(t, p.SetHealth("a", "test", false, nil))
	if id, _ := pick(p, t0); id != "none" {
		t.Errorf("pick with both out = %s, want none", id)
	}
	must(t, p.SetHealth("a", "test", true, nil))
	leases[0].Done(t0, Success)
	if id, _ := pick(p, t0); id != "a" {
		t.Errorf("pick after a lease ended = %s, want a", id)
	}
	if s := p.Snapshot(); s.Busy != 3 || s.NoPeer != 1 {
		t.Errorf("busy %d, no peer %d; want 3, 1", s.Busy, s.NoPeer)
	}
}
