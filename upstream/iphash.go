package upstream

import "net/netip"

// IPHash is nginx's ip_hash: the client's network, from [Request.Addr], picks
// one of the shares of weight, in configured order. Of an IPv4 address the first
// three octets count, of an IPv6 address all sixteen; IPv4 mapped to IPv6 counts
// as IPv4. Clients without an address, as on unix sockets, are all alike.
//
// Peers that cannot take the request are passed over as in [Hash], and what is
// said there of changes holds here.
func IPHash() Balancer { return Balancer{"ip_hash", ipHash{}} }

type ipHash struct{}

func (ipHash) steady() bool { return true }

func (ipHash) build(peers []*Backend) any { return newShares(peers) }

func (h ipHash) pick(t *tier, now int64, r *Request, retry bool) (int, bool) {
	return h.place(t, now, r, retry, 0)
}

func (ipHash) place(t *tier, now int64, r *Request, retry bool, l limit) (int, bool) {
	if len(t.peers) < 2 {
		return roundRobin{}.pick(t, now, r, retry)
	}
	s := t.table.(*shares)
	hash, hops, missed := r.trail(t, retry)
	if hops > 0 {
		if at := s.at(hash); t.takes(at, now, r, retry, l) {
			return at, false
		}
	} else {
		hash = ipSeed
	}
	for ; missed < maxMisses; missed++ {
		hash = ipRound(hash, r.Addr)
		hops++
		if at := s.at(hash); t.takes(at, now, r, retry, l) {
			r.hash, r.hops, r.missed = hash, hops, missed
			return at, false
		}
	}
	return astray(t, now, r, retry, l)
}

const (
	ipSeed  = 89
	ipScale = 113
	ipMod   = 6271
)

// ipRound feeds the bytes of a client's network to the hash: h*113 + byte, modulo
// 6271. The remainder is taken once for up to seven bytes, which is the same:
// 6271 * 113^7 is less than 2^63.
func ipRound(hash uint32, a netip.Addr) uint32 {
	h := uint64(hash)
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		return uint32((((h*ipScale+uint64(b[0]))*ipScale+uint64(b[1]))*ipScale + uint64(b[2])) % ipMod)
	}
	if !a.IsValid() {
		return uint32(h * (ipScale * ipScale * ipScale) % ipMod)
	}
	b := a.As16()
	for i, c := range b {
		if h = h*ipScale + uint64(c); i%6 == 5 {
			h %= ipMod
		}
	}
	return uint32(h % ipMod)
}
