package vrrp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"log/slog"
	"net/netip"
	"strconv"
	"time"
)

// The trailer of draft-cassen-vrrp-auth-hmac, after the message:
//
//	0   extension type, 1 = HMAC-SHA256
//	1   key id
//	2   reserved, 0
//	4   UTC seconds since 1970, mod 2^32
//	8   1/65536 s
//	10  counter within that tick
//	12  HMAC-SHA256, cut to 128 bits
const (
	trailerLen  = 28
	trailerType = 1
	macOffset   = 12
	pseudoLen   = 20 // before the message: family, version, VRID, 0, source
)

// HMACKey is a shared secret with a number, for [UDPTransport] and [WithHMAC].
// It prints as its number only.
type HMACKey struct {
	id     uint8
	secret string
}

// NewHMACKey returns a key. id is 1..255 and travels with every advert; secret
// is 32 to 64 bytes, must come from a random source, and is copied.
func NewHMACKey(id uint8, secret []byte) (HMACKey, error) {
	switch {
	case id == 0:
		return HMACKey{}, fmt.Errorf("vrrp: HMAC key id 0 is outside 1..255")
	case len(secret) < 32 || len(secret) > 64:
		return HMACKey{}, fmt.Errorf("vrrp: HMAC key %d has %d bytes, outside 32..64", id, len(secret))
	}
	return HMACKey{id, string(secret)}, nil
}

// ID returns the number of the key; 0 for the zero HMACKey, which is no key.
func (k HMACKey) ID() uint8 { return k.id }

// String returns the number, never the secret.
func (k HMACKey) String() string { return "hmac-key-" + strconv.Itoa(int(k.id)) }

// GoString keeps the secret out of %#v.
func (k HMACKey) GoString() string { return k.String() }

// Format keeps the secret out of every other verb.
func (k HMACKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue keeps the secret out of logs.
func (k HMACKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText keeps the secret out of documents.
func (k HMACKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// authenticator signs and verifies the adverts of one virtual router. It is
// used by one goroutine.
type authenticator struct {
	key    HMACKey
	family Family
	vrid   uint8
	window sequence // what a clock may be off

	mac    hash.Hash
	digest [sha256.Size]byte
	last   sequence // sent
	sent   bool
	marks  marks // received
}

// newAuthenticator accepts clocks that differ by up to window, and remembers
// the last sequence of as many as peers speakers.
func newAuthenticator(key HMACKey, f Family, vrid uint8, window time.Duration, peers int) *authenticator {
	return &authenticator{
		key: key, family: f, vrid: vrid, window: sequenceSpan(window),
		mac: hmac.New(sha256.New, []byte(key.secret)), marks: newMarks(peers),
	}
}

// hmacWindow is how far clocks may differ where adverts come every interval.
func hmacWindow(interval time.Duration) time.Duration { return max(3*interval, 5*time.Second) }

func (a *authenticator) setWindow(d time.Duration) { a.window = sequenceSpan(d) }

// next returns a sequence above every one before it: the clock, or the last
// one plus 1 while the clock does not move or was set back. A clock that was
// set back by more than the window starts again, as receivers' marks do.
func (a *authenticator) next(wall time.Time) sequence {
	now := sequenceAt(wall)
	if a.sent && !now.newer(a.last) && a.last.distance(now) <= a.window {
		now = a.last + 1
	}
	a.last, a.sent = now, true
	return now
}

// sign appends the trailer for message, sent from src, to b.
func (a *authenticator) sign(b, message []byte, src netip.AddrPort, wall time.Time) []byte {
	start := len(b)
	b = append(b, trailerType, a.key.id, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(a.next(wall)))
	return append(b, a.compute(message, b[start:start+macOffset], src)...)
}

// verify checks the trailer after the first n bytes of b. What is cheap comes
// first, and only a packet whose signature is right moves the mark of its
// sender.
func (a *authenticator) verify(b []byte, n int, from netip.AddrPort, wall time.Time) DropReason {
	message, trailer := b[:n], b[n:]
	switch {
	case len(trailer) == 0:
		return DropHMACMissing
	case len(trailer) != trailerLen:
		return DropLength
	case trailer[0] != trailerType:
		return DropHMACMalformed
	case trailer[1] != a.key.id:
		return DropHMACKey
	}
	seq, now := sequence(binary.BigEndian.Uint64(trailer[4:])), sequenceAt(wall)
	if seq.distance(now) > a.window {
		return DropHMACStale
	}
	mark := a.marks.find(from)
	// A mark outside the window was made while a clock was wrong.
	if mark != nil && mark.seq.distance(now) <= a.window && !seq.newer(mark.seq) {
		return DropHMACReplay
	}
	if !hmac.Equal(a.compute(message, trailer[:macOffset], from), trailer[macOffset:]) {
		return DropHMAC
	}
	a.marks.set(from, seq)
	return 0
}

// compute returns the 16 bytes that prove message and the trailer's prefix. The
// checksum counts as zero, so that the copies for several peers share them.
func (a *authenticator) compute(message, prefix []byte, src netip.AddrPort) []byte {
	// One buffer: what is written to an interface escapes, and this is in a.
	var zero [16]byte
	m := a.mac
	m.Reset()
	scratch := append(a.digest[:0], uint8(a.family), version3, a.vrid, 0)
	if a.family == IPv4 {
		v := src.Addr().As4()
		scratch = append(append(scratch, v[:]...), zero[:12]...)
	} else {
		v := src.Addr().As16()
		scratch = append(scratch, v[:]...)
	}
	m.Write(scratch[:pseudoLen])
	if port := src.Port(); port != 0 { // not in the draft, which has no ports: speakers may share an address
		m.Write(binary.BigEndian.AppendUint16(a.digest[:0], port))
	}
	m.Write(message[:6])
	m.Write(append(a.digest[:0], 0, 0))
	m.Write(message[8:])
	m.Write(prefix)
	m.Write(append(a.digest[:0], zero[:]...))
	return m.Sum(a.digest[:0])[:16]
}
