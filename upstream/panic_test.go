package upstream

import (
	"fmt"
	"testing"
)

func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		percent, healthy, backends int
		want                       bool
	}{{50, 2, 4, false}, {50, 1, 4, true}, {50, 0, 0, false}, {0, 0, 4, false}, {100, 3, 4, true}, {100, 4, 4, false}, {1, 0, 1, true}} {
		if got := below(tt.percent, tt.healthy, tt.backends); got != tt.want {
			t.Errorf("below(%d, %d, %d) = %v, want %v", tt.percent, tt.healthy, tt.backends, got, tt.want)
		}
	}
}

// TestPanic: below the threshold everybody is asked again, whatever kept them
// out but the operator's word.
func TestPanic(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, WithBalancer(bal), WithPanicThreshold(50), WithOutlier(Consecutive5xx(1)),
				server("p0", MaxFails(0)), server("b"), server("c", MaxFails(0)), server("d", MaxFails(0)), server("off", Down()), server("old"))
			must(t, p.Drain("old", true))
			seen := func(now int64) string {
				got := ""
				for _, id := range []string{"p0", "b", "c", "d", "off", "old"} {
					if turns(p, now, 20, id) > 0 {
						got += id + " "
					}
				}
				return got
			}
			answerWith(p, t0, 500)
			failOne(t, p, t0, "b")
			if got := seen(t0); got != "c d " {
				t.Fatalf("half of four are healthy: picks go to %s, want c d", got)
			}
			must(t, p.SetHealth("c", "test", false, nil))
			if got := seen(t0); got != "p0 b c d " {
				t.Fatalf("a quarter: picks go to %s, want p0 b c d", got)
			}
			if s := p.Snapshot(); !s.Panicking || s.Panics != 1 {
				t.Errorf("panicking = %v, %d times; want true, 1", s.Panicking, s.Panics)
			}
			must(t, p.SetHealth("c", "test", true, nil))
			if s := p.Snapshot(); s.Panicking {
				t.Error("panicking with c back")
			}
			must(t, p.SetHealth("d", "test", false, nil))
			if s := p.Snapshot(); !s.Panicking && status(t, p, "b").State == StateUnavailable {
				t.Error("not panicking with d out")
			}
		})
	}
}

// TestPanicTiers: while one priority can take the load, it does.
func TestPanicTiers(t *testing.T) {
	p := newPool(t, WithPanicThreshold(50), server("a"), server("b"), server("c", Backup()), server("d", Backup()))
	out := func(id string, down bool) { t.Helper(); must(t, p.SetHealth(id, "test", !down, nil)) }
	out("a", true)
	out("b", true)
	if got := sequence(p, t0, 4); got != "c d c d" {
		t.Errorf("without primaries = %s, want the backups", got)
	}
	out("c", true)
	if got := sequence(p, t0, 2); got != "d d" {
		t.Errorf("with half of the backups = %s, want d d", got)
	}
	out("d", true)
	if got := sequence(p, t0, 4); got != "a b a b" {
		t.Errorf("with nobody = %s, want the primaries", got)
	}
	must(t, p.Add("192.0.2.7:80", ID("new")))
	out("new", true)
	if got := sequence(p, t0, 3); got != "new a b" && got != "a b new" {
		t.Errorf("with another sick one = %s, want it among them", got)
	}
	out("a", false)
	out("b", false)
	if got := sequence(p, t0, 4); got != "a b a b" && got != "b a b a" {
		t.Errorf("with two of three back = %s, want those", got)
	}
}

// TestPanicOnly: of a pool of one, too.
func TestPanicOnly(t *testing.T) {
	for _, percent := range []int{0, 1} {
		t.Run(fmt.Sprint(percent), func(t *testing.T) {
			p := newPool(t, WithPanicThreshold(percent), server("a"))
			must(t, p.SetHealth("a", "test", false, nil))
			want := map[int]string{0: "none", 1: "a"}[percent]
			if id, _ := pick(p, t0); id != want {
				t.Errorf("pick = %s, want %s", id, want)
			}
		})
	}
}
