package memnet

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestRing compares with a slice that grows and shrinks.
func TestRing(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 511, 513, 3000} {
		r := rand.New(rand.NewPCG(1, uint64(limit)))
		ring := ring{limit: limit}
		var model []byte
		next := byte(0)
		for range 20000 {
			if r.IntN(2) == 0 {
				p := make([]byte, r.IntN(limit+2))
				for i := range p {
					p[i], next = next, next+1
				}
				want := min(len(p), limit-len(model))
				model = append(model, p[:want]...)
				if n := ring.write(p); n != want {
					t.Fatalf("limit %d: write(%d) = %d, want %d", limit, len(p), n, want)
				}
				next -= byte(len(p) - want)
			} else {
				p := make([]byte, r.IntN(limit+2))
				want := min(len(p), len(model))
				if n := ring.read(p); n != want || !bytes.Equal(p[:n], model[:n]) {
					t.Fatalf("limit %d: read(%d) = %d %x, want %x", limit, len(p), n, p[:n], model[:want])
				}
				model = model[want:]
			}
			if ring.n != len(model) || len(ring.buf) > limit {
				t.Fatalf("limit %d: holds %d in %d, want %d", limit, ring.n, len(ring.buf), len(model))
			}
		}
	}
}
