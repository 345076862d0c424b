package vrrp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"time"
)

// authenticator signs and verifies the adverts of one virtual router. It is
// used by one goroutine.
type authenticator struct {
	family    Family
	mode      hmacMode
	monotonic bool
	window    sequence // what a clock may be off, unless monotonic

	keys   []keyed // the first one signs
	digest [sha256.Size]byte
	last   sequence // sent
	sent   bool
	marks  marks // received
}

// keyed is a key, ready to be used.
type keyed struct {
	id  uint8
	mac hash.Hash
}

// newHMAC begins without a memory. It remembers the last sequence of
// as many as peers speakers.
func newHMAC(s *signing, f Family, interval time.Duration, peers int) *authenticator {
	a := &authenticator{family: f, marks: newMarks(peers)}
	a.adopt(s, interval)
	return a
}

// adopt changes keys and mode; what was sent and heard stays known.
func (a *authenticator) adopt(s *signing, interval time.Duration) {
	a.mode, a.monotonic = s.mode, s.monotonic
	a.setWindow(s.windowFor(interval))
	a.keys = nil
	for _, k := range s.keys() {
		a.keys = append(a.keys, keyed{k.id, hmac.New(sha256.New, []byte(k.secret))})
	}
}

func (a *authenticator) setWindow(d time.Duration) { a.window = sequenceSpan(d) }

// next returns a sequence above every one before it: the clock, or the last
// one plus 1 while the clock does not move or was set back. A clock that was
// set back by more than the window starts again, as receivers' marks do.
func (a *authenticator) next(wall time.Time) sequence {
	now := sequenceAt(wall)
	if a.sent && !now.newer(a.last) && (a.monotonic || a.last.distance(now) <= a.window) {
		now = a.last + 1
	}
	a.last, a.sent = now, true
	return now
}

// sign appends the trailer for message, sent from src, to b.
func (a *authenticator) sign(b, message []byte, src netip.AddrPort, wall time.Time) []byte {
	start, key := len(b), &a.keys[0]
	b = appendPrefix(b, key.id, a.next(wall))
	return append(b, a.compute(key.mac, message, b[start:start+macOffset], src)...)
}

// verify checks the trailer that follows message, which may be missing. What is
// cheap comes first. A packet that is good in every other way too is to be given
// to accept.
func (a *authenticator) verify(message, trailer []byte, from netip.AddrPort, wall time.Time) DropReason {
	if len(trailer) == 0 {
		if a.mode == enforce {
			return DropHMACMissing
		}
		return 0
	}
	if trailer[0] != trailerType {
		return DropHMACMalformed
	}
	key := a.find(trailer[1])
	if key == nil {
		return DropHMACKey
	}
	seq, now := sequenceOf(trailer), sequenceAt(wall)
	if !a.monotonic && seq.distance(now) > a.window {
		return DropHMACStale
	}
	// A mark outside the window was made while a clock was wrong.
	mark := a.marks.find(from)
	if mark != nil && (a.monotonic || mark.seq.distance(now) <= a.window) && !seq.newer(mark.seq) {
		return DropHMACReplay
	}
	if !hmac.Equal(a.compute(key.mac, message, trailer[:macOffset], from), trailer[macOffset:]) {
		return DropHMAC
	}
	return 0
}

// accept moves the mark of a speaker to what verify found good.
func (a *authenticator) accept(trailer []byte, from netip.AddrPort) {
	if len(trailer) > 0 {
		a.marks.set(from, sequenceOf(trailer))
	}
}

// find returns a key by its id, or nil.
func (a *authenticator) find(id uint8) *keyed {
	for i := range a.keys {
		if a.keys[i].id == id {
			return &a.keys[i]
		}
	}
	return nil
}

// compute returns the bytes that prove message and the trailer's prefix. Before
// the message comes a pseudo-header of family, version, VRID, 0 and the source
// in 16 bytes. The checksum counts as zero, so that the copies for several peers
// share them.
func (a *authenticator) compute(m hash.Hash, message, prefix []byte, src netip.AddrPort) []byte {
	// One buffer: what is written to an interface escapes, and this is in a.
	var zero [macLen]byte
	m.Reset()
	scratch := append(a.digest[:0], uint8(a.family), message[0]>>4, message[1], 0)
	if a.family == IPv4 {
		v := src.Addr().As4()
		scratch = append(append(scratch, v[:]...), zero[:12]...)
	} else {
		v := src.Addr().As16()
		scratch = append(scratch, v[:]...)
	}
	m.Write(scratch)
	if port := src.Port(); port != 0 { // not in the draft, which has no ports: speakers may share an address
		m.Write(binary.BigEndian.AppendUint16(a.digest[:0], port))
	}
	m.Write(message[:6])
	m.Write(append(a.digest[:0], 0, 0))
	m.Write(message[8:])
	m.Write(prefix)
	m.Write(append(a.digest[:0], zero[:]...))
	return m.Sum(a.digest[:0])[:macLen]
}
