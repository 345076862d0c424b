package vrrp

import (
	"fmt"
	"testing"
)

// lastResults is the naive model of a counter: everything it was told.
type lastResults struct {
	rise, fall int
	known, up  bool
	results    []bool
}

func (m *lastResults) take(success bool) {
	m.results = append(m.results, success)
	n := m.fall
	if success {
		n = m.rise
	}
	switch {
	case !m.known:
		m.known, m.up = true, success
	case success != m.up && m.endsWith(success, n):
		m.up = success
	}
}

func (m *lastResults) endsWith(success bool, n int) bool {
	if len(m.results) < n {
		return false
	}
	for _, r := range m.results[len(m.results)-n:] {
		if r != success {
			return false
		}
	}
	return true
}

// Every sequence of 11 results, for every rise and fall up to 4.
func TestCounterAgainstItsHistory(t *testing.T) {
	const length = 11
	for rise := 1; rise <= 4; rise++ {
		for fall := 1; fall <= 4; fall++ {
			for _, down := range []bool{false, true} {
				t.Run(fmt.Sprintf("rise %d, fall %d, down %v", rise, fall, down), func(t *testing.T) {
					for bits := range 1 << length {
						c, m := newResultCounter(rise, fall, down), lastResults{rise: rise, fall: fall, known: down}
						for i := range length {
							success := bits>>i&1 == 1
							c = c.next(success)
							m.take(success)
							if c.known != m.known || c.up() != m.up {
								t.Fatalf("after %v: known %v, up %v, want %v, %v", m.results, c.known, c.up(), m.known, m.up)
							}
							if c.r < 0 || c.r > rise+fall-1 {
								t.Fatalf("after %v: r = %d is outside 0..%d", m.results, c.r, rise+fall-1)
							}
						}
					}
				})
			}
		}
	}
}

func TestCounterBegins(t *testing.T) {
	for _, c := range []struct {
		name      string
		counter   resultCounter
		known, up bool
		r         int
	}{
		{"unknown", newResultCounter(3, 2, false), false, false, 2},
		{"down", newResultCounter(3, 2, true), true, false, 0},
		{"one success", newResultCounter(3, 2, false).next(true), true, true, 4},
		{"one failure", newResultCounter(3, 2, false).next(false), true, false, 0},
		{"down, two successes", newResultCounter(3, 2, true).next(true).next(true), true, false, 2},
		{"down, three successes", newResultCounter(3, 2, true).next(true).next(true).next(true), true, true, 4},
		{"up, one failure", newResultCounter(3, 2, false).next(true).next(false), true, true, 3},
		{"a success in between", newResultCounter(3, 2, false).next(true).next(false).next(true), true, true, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.counter; got.known != c.known || got.up() != c.up || got.r != c.r {
				t.Errorf("known %v, up %v, r %d, want %v, %v, %d", got.known, got.up(), got.r, c.known, c.up, c.r)
			}
		})
	}
}
