package upstream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// What follows are the places that a request leads to, written from nginx's rules
// and not from this package's code: one after the other, over the servers of a
// pool in configured order. After the 21st that cannot take it comes the round
// robin.

// naivePeer is a server line.
type naivePeer struct {
	name   string
	weight int
}

// naiveWalk returns the peer that a weight lies in.
func naiveWalk(peers []naivePeer, hash uint64) int {
	total := uint64(0)
	for _, p := range peers {
		total += uint64(p.weight)
	}
	w := hash % total
	for i, p := range peers {
		if w < uint64(p.weight) {
			return i
		}
		w -= uint64(p.weight)
	}
	panic("beyond the weights")
}

func naiveHash(peers []naivePeer) func(r *Request) func() []int {
	return func(r *Request) func() []int {
		var hash uint32
		n := 0
		return func() []int {
			text := string(r.Key)
			if n > 0 {
				text = fmt.Sprint(n) + text
			}
			n++
			hash += crc32.ChecksumIEEE([]byte(text)) >> 16 & 0x7fff
			return []int{naiveWalk(peers, uint64(hash))}
		}
	}
}

func naiveIPHash(peers []naivePeer) func(r *Request) func() []int {
	return func(r *Request) func() []int {
		bytes := []byte{0, 0, 0}
		if a := r.Addr.Unmap(); a.Is4() {
			bytes = a.AsSlice()[:3]
		} else if a.IsValid() {
			bytes = a.AsSlice()
		}
		hash := uint64(89)
		return func() []int {
			for _, b := range bytes {
				hash = (hash*113 + uint64(b)) % 6271
			}
			return []int{naiveWalk(peers, hash)}
		}
	}
}

func naiveRing(peers []naivePeer) func(r *Request) func() []int {
	type point struct {
		hash uint32
		name string
	}
	var ring []point
	for _, p := range peers {
		host, port := p.name, ""
		if rest, ok := strings.CutPrefix(p.name, "unix:"); ok {
			host = rest
		} else if i := strings.LastIndex(p.name, ":"); i >= 0 {
			host, port = p.name[:i], p.name[i+1:]
		}
		prev := []byte{0, 0, 0, 0}
		for range 160 * p.weight {
			h := crc32.ChecksumIEEE(slices.Concat([]byte(host), []byte{0}, []byte(port), prev))
			ring = append(ring, point{h, p.name})
			prev = binary.LittleEndian.AppendUint32(nil, h)
		}
	}
	slices.SortStableFunc(ring, func(a, b point) int { return int(int64(a.hash) - int64(b.hash)) })
	ring = slices.CompactFunc(ring, func(a, b point) bool { return a.hash == b.hash })
	return func(r *Request) func() []int {
		at := 0
		for at < len(ring) && ring[at].hash < crc32.ChecksumIEEE(r.Key) {
			at++
		}
		return func() []int {
			name := ring[at%len(ring)].name
			at++
			var out []int
			for i, p := range peers {
				if p.name == name {
					out = append(out, i)
				}
			}
			return out
		}
	}
}

// TestPlacesNaive: the balancers of nginx against the rules spelled out, over
// requests that fail until their places are used up.
func TestPlacesNaive(t *testing.T) {
	rules := []struct {
		bal   Balancer
		naive func(peers []naivePeer) func(r *Request) func() []int
	}{
		{Hash(), naiveHash},
		{IPHash(), naiveIPHash},
		{HashConsistent(), naiveRing},
	}
	for _, rule := range rules {
		t.Run(rule.bal.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			for range 60 {
				opts := []Option{WithBalancer(rule.bal)}
				var peers []naivePeer
				for i := range 2 + rng.IntN(9) {
					p := naivePeer{fmt.Sprintf("backend%d.example.com:%d", rng.IntN(12), 80+rng.IntN(2)), 1 + rng.IntN(6)}
					if rng.IntN(4) == 0 {
						p.name = fmt.Sprintf("unix:/run/%d.sock", rng.IntN(3))
					}
					peers = append(peers, p)
					opts = append(opts, WithServer(p.name, ID(fmt.Sprint(i)), Weight(p.weight), MaxFails(0)))
				}
				pool := newPool(t, opts...)
				out := map[int]bool{}
				for i := range peers {
					if rng.IntN(4) == 0 && len(out) < len(peers)-1 {
						out[i] = true
						must(t, pool.SetHealth(fmt.Sprint(i), "test", false, nil))
					}
				}
				naive := rule.naive(peers)
				for i := range 20 {
					r := request(rng.IntN(1 << 20))
					if i%3 == 1 {
						r.Addr = randomV6(rng)
					}
					comparePlaces(t, pool, r, naive(r), out)
				}
			}
		})
	}
}

// comparePlaces lets one request fail everywhere. The naive places are those of
// nginx, which at a ring looks at the point of the last attempt again.
func comparePlaces(t *testing.T, p *Pool, r *Request, next func() []int, out map[int]bool) {
	t.Helper()
	tried := map[int]bool{}
	usable := func(at []int) []int {
		return slices.DeleteFunc(slices.Clone(at), func(i int) bool { return out[i] || tried[i] })
	}
	misses := 0
	for at := next(); misses <= 20; {
		if open := usable(at); len(open) > 0 {
			var got int
			id, l := pickFor(p, t0, r)
			if _, err := fmt.Sscan(id, &got); err != nil || !slices.Contains(open, got) {
				t.Fatalf("key %q, client %v: try %d = %s, want one of %v", r.Key, r.Addr, r.Tries(), id, open)
			}
			l.Done(t0, Failure)
			tried[got] = true
			if p.bal.String() != HashConsistent().String() {
				at = next()
			}
			continue
		}
		misses++
		at = next()
	}
}

func randomV6(rng *rand.Rand) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	b[0] = 0x20
	return netip.AddrFrom16(b)
}

// TestIPHashNetworks: which clients are alike.
func TestIPHashNetworks(t *testing.T) {
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"one /24", "192.0.2.1", "192.0.2.254", true},
		{"another /24", "192.0.2.1", "192.0.3.1", false},
		{"mapped", "192.0.2.1", "::ffff:192.0.2.9", true},
		{"IPv6 counts whole", "2001:db8::1", "2001:db8::2", false},
		{"a zone does not count", "fe80::1%eth0", "fe80::1%eth1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := ipRound(ipSeed, netip.MustParseAddr(tt.a)), ipRound(ipSeed, netip.MustParseAddr(tt.b))
			if (a == b) != tt.same {
				t.Errorf("hashes of %s and %s: %d, %d; want them the same: %v", tt.a, tt.b, a, b, tt.same)
			}
		})
	}
	if got, want := ipRound(ipSeed, netip.Addr{}), ipRound(ipSeed, netip.MustParseAddr("0.0.0.7")); got != want {
		t.Errorf("hash of no address = %d, want %d, that of three zero bytes", got, want)
	}
}

// TestPlacement holds placements that nothing may change: caches depend on them.
// They were written down from this package; that they follow nginx's rules, all but
// Maglev's, is for TestPlacesNaive and TestNginxHash to show.
func TestPlacement(t *testing.T) {
	backends := []backend{
		{"a", "a.example.com:80", []ServerOption{Weight(2)}},
		{"b", "192.0.2.2:8080", nil},
		{"c", "[2001:db8::3]:80", nil},
		{"d", "unix:/run/d.sock", []ServerOption{Weight(3)}},
	}
	tests := []struct {
		bal  Balancer
		want string
	}{
		{IPHash(), "addbaddaaddaacdaabbaddbaddaaddadccddbcdd"},
		{Hash(), "dbcdcccadabdddcccbaaaaadbdbdaddddaddabca"},
		{HashConsistent(), "aadabddcccdadddcbdadddbdbdddbadabadadada"},
		{Maglev(), "ddddcdbaadddbcdbddccddaadddddcbbdadaaddd"},
	}
	for _, tt := range tests {
		t.Run(tt.bal.String(), func(t *testing.T) {
			if got := strings.Join(places(suitePool(t, tt.bal, backends...), 40), ""); got != tt.want {
				t.Errorf("placement = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestRingTurns: backends of one name share its keys by round robin, and a retry
// goes to the other ones of the name first.
func TestRingTurns(t *testing.T) {
	p := newPool(t, WithBalancer(HashConsistent()),
		WithServer("www.example.com:80", ID("a")),
		WithServer("www.example.com:80", ID("b"), Weight(2)),
		WithServer("192.0.2.9:80", ID("c")))
	var r *Request
	for i := 0; ; i++ { // a key of the name
		if r = request(i); places(p, i+1)[i] != "c" {
			break
		}
	}
	var got []string
	for range 6 {
		id, l := pickFor(p, t0, r)
		l.Done(t0, Success)
		got = append(got, id)
		key := r.Key
		r.Reset()
		r.Key = key
	}
	seq := strings.Join(got, "")
	if a, b := strings.Count(seq, "a"), strings.Count(seq, "b"); a != 2 || b != 4 {
		t.Errorf("six requests of the name went to %s, want a twice and b four times", seq)
	}
	for i := range 50 {
		r := request(i)
		var order string
		for range 3 {
			id, l := pickFor(p, t0, r)
			l.Done(t0, Pass)
			order += id
		}
		if order[1] == 'c' {
			t.Errorf("request %d was tried at %s, want the two of one name together", i, order)
		}
	}
}

// TestRingPoints: as many as 160 for each unit of weight, all different, in order,
// and found from every hash.
func TestRingPoints(t *testing.T) {
	p := suitePool(t, HashConsistent(), lettered(1, 9, 3)...)
	g := p.view.Load().tiers[0].table.(*ring)
	if n := len(g.points); n > 13*160 || n < 13*160-5 {
		t.Errorf("%d points, want about %d", n, 13*160)
	}
	for i := 1; i < len(g.points); i++ {
		if g.points[i-1] >= g.points[i] {
			t.Fatalf("points %d and %d are not in order", i-1, i)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 10_000 {
		h := rng.Uint32()
		if i < len(g.points) {
			h = g.points[i] + uint32(i%3) - 1
		}
		want, _ := slices.BinarySearch(g.points, h)
		if got := g.find(h); got != want%len(g.points) {
			t.Fatalf("find(%d) = %d, want %d", h, got, want)
		}
	}
	for _, h := range []uint32{0, ^uint32(0)} {
		if got := g.find(h); got != 0 {
			t.Errorf("find(%d) = %d, want 0", h, got)
		}
	}
}

func TestSplitName(t *testing.T) {
	tests := []struct{ name, host, port string }{
		{"192.0.2.1:80", "192.0.2.1", "80"},
		{"www.example.com:8080", "www.example.com", "8080"},
		{"[2001:db8::1]:80", "[2001:db8::1]", "80"},
		{"unix:/run/a:80", "/run/a:80", ""},
		{"www.example.com", "www.example.com", ""},
		{"www.example.com:http", "www.example.com:http", ""},
		{"www.example.com:", "www.example.com", ""},
	}
	for _, tt := range tests {
		if host, port := splitName(tt.name); host != tt.host || port != tt.port {
			t.Errorf("splitName(%q) = %q, %q; want %q, %q", tt.name, host, port, tt.host, tt.port)
		}
	}
}

// TestMaglevSlots: every slot has a peer, and as many as its weight says, by one
// or two.
func TestMaglevSlots(t *testing.T) {
	for _, weights := range [][]int{{1, 1}, {1, 2, 3}, {65535, 1}, {5, 5, 5, 5, 5, 5, 4}, {100, 1, 1, 1}} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			p := suitePool(t, Maglev(), lettered(weights...)...)
			s := p.view.Load().tiers[0].table.(*slots)
			counts := make([]int, len(weights))
			for _, at := range s {
				counts[at]++
			}
			total := 0
			for _, w := range weights {
				total += w
			}
			for i, w := range weights {
				if want := w * numSlots / total; counts[i] < want-2 || counts[i] > want+len(weights)+1 {
					t.Errorf("weight %d of %d has %d slots, want %d", w, total, counts[i], want)
				}
			}
		})
	}
}

// TestMaglevOrder: the same backends in any order have the same table, also where
// only ids tell them apart.
func TestMaglevOrder(t *testing.T) {
	var backends []backend
	for i := range 100 {
		backends = append(backends, backend{fmt.Sprint(i), fmt.Sprintf("192.0.2.%d:80", i/2), []ServerOption{Weight(1 + i%4/3)}})
	}
	table := func() []string {
		tr := suitePool(t, Maglev(), backends...).view.Load().tiers[0]
		var ids []string
		for _, at := range tr.table.(*slots) {
			ids = append(ids, tr.peers[at].id)
		}
		return ids
	}
	want := table()
	for seed := range uint64(3) {
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(backends), func(i, j int) {
			backends[i], backends[j] = backends[j], backends[i]
		})
		if !slices.Equal(table(), want) {
			t.Fatal("another order makes another table")
		}
	}
}
