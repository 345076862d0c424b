package vrrp

import (
	"encoding/binary"
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
//
// It is longer than what any Ethernet pads a frame with, so its length tells it
// apart.
const (
	trailerLen  = 28
	trailerType = 1
	macOffset   = 12
	macLen      = 16
)

// Trailer is what an HMAC trailer says, for who reads a network without its
// keys.
type Trailer struct {
	Type    uint8     // 1 is HMAC-SHA256; 0: there is no trailer
	KeyID   uint8     // of the key that it is signed with
	Time    time.Time // when it was signed, by the sender's clock
	Counter uint16    // tells apart adverts of one moment
}

// parseTrailer reads the trailerLen bytes of b.
func parseTrailer(b []byte) Trailer {
	seq := sequenceOf(b)
	return Trailer{Type: b[0], KeyID: b[1], Time: seq.time(), Counter: uint16(seq)}
}

// appendPrefix appends the trailer up to its HMAC.
func appendPrefix(b []byte, key uint8, seq sequence) []byte {
	return binary.BigEndian.AppendUint64(append(b, trailerType, key, 0, 0), uint64(seq))
}

// sequenceOf reads the sequence of a trailer.
func sequenceOf(trailer []byte) sequence { return sequence(binary.BigEndian.Uint64(trailer[4:])) }
