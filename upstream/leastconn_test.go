package upstream

import (
	"fmt"
	"strings"
	"testing"
)

func TestLeastConnSequence(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		want    string // picks of requests that never end
	}{
		{"equal", []int{1, 1, 1}, "a b c c b a"},
		{"two to one", []int{2, 1}, "a b a b a a"},
		{"five to one", []int{5, 1}, "a b a a a a a b"},
		// Idle peers all carry nothing, whatever their weights: the first round
		// is the round robin among the idle.
		{"idle peers first", []int{1, 1, 5}, "c a b c c c c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, append(weighted(nil, tt.weights...), WithBalancer(LeastConn()))...)
			var got []string
			for range strings.Fields(tt.want) {
				id, _ := pick(p, t0)
				got = append(got, id)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("picks = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestLeastConnIdle: when nothing is in flight it is the round robin.
func TestLeastConnIdle(t *testing.T) {
	p := newPool(t, append(weighted(nil, 5, 1, 1), WithBalancer(LeastConn()))...)
	if got, want := sequence(p, t0, 7), "a a b a c a a"; got != want {
		t.Errorf("picks = %s, want %s", got, want)
	}
}

// TestLeastConnWide: more peers than one word of ties has bits, the tied ones on
// both sides of the edge, against the model.
func TestLeastConnWide(t *testing.T) {
	const n = 150
	opts := []Option{WithBalancer(LeastConn()), WithRetryBudget(1, 0)}
	m := &model{leastConn: true}
	for i := range n {
		id, w := fmt.Sprintf("p%d", i), 1+i%2
		opts = append(opts, server(id, Weight(w)))
		m.peers = append(m.peers, &modelPeer{id: id, weight: w, effective: w, maxFails: 1, timeout: 10_000})
	}
	p := newPool(t, opts...)
	for i := range 5 * n {
		r, mr := new(Request), newModelRequest()
		for try := range 1 + i%3 {
			got, l := pickFor(p, t0, r)
			if want := m.pick(mr, t0/ms); got != want {
				t.Fatalf("request %d, try %d = %s, want %s", i, try, got, want)
			}
			if try < i%3 {
				l.Done(t0, Pass)
				m.done(mr, t0/ms, Pass)
			}
		}
	}
}
