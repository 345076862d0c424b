package upstream

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// askFor sends the request of a client through nginx, and returns the peers that
// were tried and the seconds of nginx's clock at its beginning and end.
func (rig *nginxRig) askFor(r *Request) (tried string, began, ended int64) {
	rig.t.Helper()
	req, err := http.NewRequest("GET", rig.url, nil)
	must(rig.t, err)
	if len(r.Key) > 0 {
		req.Header.Set("X-Key", string(r.Key))
	}
	req.Header.Set("X-Real-IP", r.Addr.String())
	resp, err := rig.client.Do(req)
	tried = rig.finish(resp, err)
	from, to, _ := strings.Cut(resp.Header.Get("X-Time"), " ")
	return tried, rig.seconds(from), rig.seconds(to)
}

func (rig *nginxRig) seconds(msec string) int64 {
	rig.t.Helper()
	whole, _, _ := strings.Cut(msec, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	must(rig.t, err)
	return n
}

// stranger is a request of a random client, one in ten without a key.
func stranger(rng *rand.Rand) *Request {
	r := new(Request)
	if rng.IntN(10) > 0 {
		r.Key = fmt.Appendf(nil, "/%x?%d", rng.Uint64()>>rng.IntN(64), rng.IntN(10))
	}
	var v4 [4]byte
	for i := range v4 {
		v4[i] = byte(rng.Uint32())
	}
	if r.Addr = netip.AddrFrom4(v4); rng.IntN(3) == 0 {
		r.Addr = randomV6(rng)
	}
	return r
}

// nginxHashes are the methods that look at a request.
var nginxHashes = []struct {
	method string
	bal    Balancer
}{
	{"ip_hash;", IPHash()},
	{"hash $http_x_key;", Hash()},
	{"hash $http_x_key consistent;", HashConsistent()},
}

// TestNginxHash: the same peers for the same request, ten thousand of them for
// every method: while all is well, then while backends fail and return at random.
// No window ends meanwhile.
func TestNginxHash(t *testing.T) {
	var many []string
	for i := range 20 { // u is nginx's name for none
		many = append(many, []string{"", "weight=2", "unix weight=3", "down", "max_fails=2"}[i%5])
	}
	tests := []struct {
		name     string
		requests int
		failures bool
		servers  []nginxServer
	}{
		{"weights", 3000, false, nginxServers("weight=5", "", "weight=3", "weight=20")},
		{"many", 2500, false, nginxServers(many...)},
		{"names", 1500, true, nginxServers("weight=2 max_fails=0", "same weight=2 max_fails=0", "same max_fails=5", "unix max_fails=0", "weight=2 max_fails=0", "same max_fails=3")},
		{"failures", 1500, true, nginxServers("weight=3 max_fails=0", "weight=2 max_fails=0", "max_fails=0", "unix weight=2 max_fails=0", "max_fails=0 down")},
		{"penalties", 1000, true, nginxServers("weight=10 max_fails=900", "weight=7 max_fails=800", "weight=9 max_fails=8", "max_fails=1000")},
		{"disabled", 400, true, nginxServers("weight=2 max_fails=3", "weight=5 max_fails=2", "max_fails=40", "weight=3", "")},
		{"single", 100, true, nginxServers("max_fails=3")},
	}
	for _, m := range nginxHashes {
		for _, tt := range tests {
			for i := range tt.servers {
				s := &tt.servers[i]
				if !strings.Contains(s.nginx, "fail_timeout") {
					s.nginx += " fail_timeout=3600s"
					s.ours = append(s.ours, FailTimeout(time.Hour))
				}
			}
			t.Run(m.bal.String()+"/"+tt.name, func(t *testing.T) {
				rig := newNginxBy(t, m.method, m.bal, tt.servers)
				rng := rand.New(rand.NewPCG(7, 8))
				for i := range tt.requests {
					if tt.failures && i >= 50 && i%5 == 0 {
						b := rig.backends[rng.IntN(len(rig.backends))]
						b.fail.Store(!b.fail.Load())
					}
					r := stranger(rng)
					want, _, _ := rig.askFor(r)
					if got := rig.oursFor(t0, r); got != want {
						t.Fatalf("request %d, key %q of %v, went to %s, nginx's to %s", i, r.Key, r.Addr, got, want)
					}
				}
			})
		}
	}
}

// TestNginxClock: backends fail and return, windows end, probes fail and succeed,
// and our pool, whose clock says what nginx's says, does the same throughout.
func TestNginxClock(t *testing.T) {
	methods := append(nginxHashes[:len(nginxHashes):len(nginxHashes)], struct {
		method string
		bal    Balancer
	}{"", RoundRobin()})
	for _, m := range methods {
		t.Run(m.bal.String(), func(t *testing.T) {
			t.Parallel()
			const runs = 5
			for range runs {
				if nginxClock(t, m.method, m.bal) {
					return
				}
			}
			t.Fatalf("in each of %d runs a request failed while a second began", runs)
		})
	}
}

// nginxClock is one run. It reports false if it cannot tell at which second nginx
// charged a failure, since it answered in another than it was asked.
func nginxClock(t *testing.T, method string, bal Balancer) bool {
	const requests, windows = 10_000, 3
	rig := newNginxBy(t, method, bal, nginxServers(
		"weight=5 max_fails=3 fail_timeout=1", "weight=2 fail_timeout=1", "weight=2 max_fails=6 fail_timeout=1", "fail_timeout=1"))
	rng := rand.New(rand.NewPCG(9, 10))
	recovered := 0
	for i := 0; i < requests || recovered < windows; i++ {
		if i > 100*requests {
			t.Fatalf("after %d requests %d peers recovered", i, recovered)
		}
		if i%100 == 0 { // more often well than not
			b := rig.backends[rng.IntN(len(rig.backends))]
			b.fail.Store(!b.fail.Load() && rng.IntN(2) == 0)
		}
		r := stranger(rng)
		want, began, ended := rig.askFor(r)
		if began != ended && rig.failed(want) {
			return false
		}
		out := rig.out()
		if got := rig.oursFor(began*int64(time.Second), r); got != want {
			t.Fatalf("request %d, key %q of %v, went to %s, nginx's to %s", i, r.Key, r.Addr, got, want)
		}
		if rig.out() < out {
			recovered++
		}
	}
	return true
}

// failed reports whether one of these peers fails.
func (rig *nginxRig) failed(tried string) bool {
	for id := range strings.FieldsSeq(tried) {
		if id != "none" && rig.backend(id).fail.Load() {
			return true
		}
	}
	return false
}

// out is the number of our peers that are disabled.
func (rig *nginxRig) out() int {
	n := 0
	for _, b := range rig.pool.view.Load().all {
		if b.gate.Load()&gateFails != 0 {
			n++
		}
	}
	return n
}
