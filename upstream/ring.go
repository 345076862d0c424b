package upstream

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"
	"strings"
)

// HashConsistent is nginx's hash KEY consistent: [Request.Key] falls on a ring
// on which every server name has 160 points for each unit of weight. The points
// are those of nginx and of Cache::Memcached::Fast, so that a key finds the same
// server as behind an nginx with the same names and weights. A backend that comes
// or goes moves the keys of its own points and no others; one that is out leaves
// them to the next points. Requests without a key go by [RoundRobin], and so do
// those of a tier with a single peer.
//
// The server name is the address as configured, with its port, which nginx wants
// to be spelled out too for the same points; ids do not count. Backends of one
// name share its points and take turns by [RoundRobin].
//
// A point whose peers cannot take the request sends it on to the next one, over
// 20 points at most in the life of the request; after that it goes by
// [RoundRobin]. A retry goes on from where the last attempt went.
//
// Weights should be small: each unit takes about two kilobytes, and the ring is
// made anew with every change of the membership.
func HashConsistent() Balancer { return Balancer{"hash consistent", ketama{}} }

type ketama struct{}

func (ketama) steady() bool { return true }

func (ketama) build(peers []*Backend) any { return newRing(peers) }

func (k ketama) pick(t *tier, now int64, r *Request, retry bool) (int, bool) {
	return k.place(t, now, r, retry, 0)
}

func (ketama) place(t *tier, now int64, r *Request, retry bool, l limit) (int, bool) {
	if len(t.peers) < 2 || len(r.Key) == 0 {
		return roundRobin{}.pick(t, now, r, retry)
	}
	ring := t.table.(*ring)
	hash, hops, missed := r.trail(t, retry)
	if hops == 0 {
		hash = crc32.ChecksumIEEE(r.Key)
	}
	for i := ring.find(hash); missed < maxMisses; missed++ {
		if at := turn(t, ring.names[ring.owner[i]], now, r, retry, l); at >= 0 {
			r.hash, r.hops, r.missed = ring.points[i], 1, missed
			return at, false
		}
		if i++; i == len(ring.points) {
			i = 0
		}
	}
	return astray(t, now, r, retry, l)
}

// turn runs the round robin over the peers of one name; -1 for none.
func turn(t *tier, peers []int32, now int64, r *Request, retry bool, l limit) int {
	at := -1
	var most, total int64
	for _, i := range peers {
		if !t.takes(int(i), now, r, retry, l) {
			continue
		}
		e, c := t.peers[i].gain()
		total += e
		if at < 0 || c > most {
			at, most = int(i), c
		}
	}
	if at >= 0 {
		t.peers[at].current -= total
	}
	return at
}

// ring is the points of a tier in the order of their hashes, which are all
// different.
type ring struct {
	points []uint32
	owner  []uint32  // of a point: an index of names
	names  [][]int32 // the peers of a name, in configured order
	starts []uint32  // by the upper bits of a hash: the first point not below them
	shift  int       // by which a hash becomes those bits
}

// pointsPerWeight is nginx's number.
const pointsPerWeight = 160

func newRing(peers []*Backend) *ring {
	var names []string
	var weights []int // of a name's heaviest: the others have the same points, but fewer
	g := new(ring)
	known := make(map[string]int, len(peers))
	for i, b := range peers {
		name := b.spec.address
		at, ok := known[name]
		if !ok {
			at = len(names)
			known[name] = at
			names = append(names, name)
			weights = append(weights, 0)
			g.names = append(g.names, nil)
		}
		weights[at] = max(weights[at], b.spec.weight)
		g.names[at] = append(g.names[at], int32(i))
	}

	// A point is one word, its hash before its name: where two names meet, the
	// one that was configured first keeps the point.
	var all []uint64
	for i, name := range names {
		all = appendPoints(all, name, i, weights[i]*pointsPerWeight)
	}
	slices.Sort(all)
	all = slices.CompactFunc(all, func(a, b uint64) bool { return a>>32 == b>>32 })
	g.points, g.owner = make([]uint32, len(all)), make([]uint32, len(all))
	for i, p := range all {
		g.points[i], g.owner[i] = uint32(p>>32), uint32(p)
	}

	n := bits.Len(uint(len(all)))
	g.shift = 32 - n
	g.starts = make([]uint32, 1<<n)
	at := 0
	for i := range g.starts {
		for at < len(all) && int(g.points[at]>>g.shift) < i {
			at++
		}
		g.starts[i] = uint32(at)
	}
	return g
}

// appendPoints adds n points of a server name: each is the CRC-32 of HOST, NUL,
// PORT and the point before, with its lowest byte first.
func appendPoints(all []uint64, name string, owner, n int) []uint64 {
	host, port := splitName(name)
	base := crc32.ChecksumIEEE(append(append([]byte(host), 0), port...))
	all = slices.Grow(all, n)
	var last [4]byte
	for range n {
		p := crc32.Update(base, crc32.IEEETable, last[:])
		binary.LittleEndian.PutUint32(last[:], p)
		all = append(all, uint64(p)<<32|uint64(owner))
	}
	return all
}

// splitName cuts a server name at its last colon, if only digits follow, as
// nginx does; a unix socket has no port.
func splitName(name string) (host, port string) {
	if path, ok := strings.CutPrefix(name, "unix:"); ok {
		return path, ""
	}
	if i := strings.LastIndexByte(name, ':'); i >= 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// find returns the first point that is not below hash, and the first of all where
// there is none. There must be a point.
func (g *ring) find(hash uint32) int {
	i := int(g.starts[hash>>g.shift])
	for ; i < len(g.points); i++ {
		if g.points[i] >= hash {
			return i
		}
	}
	return 0
}
