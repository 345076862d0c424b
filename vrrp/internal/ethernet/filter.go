package ethernet

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

// maxListed is how many addresses a filter compares with. Where more are held on
// one interface, every claim of its family passes, and is looked up in a map.
const maxListed = 256

// FilterARP returns the program for a socket of ARP frames: only packets whose
// sender says it has one of addrs, and which this host did not send itself, pass.
func FilterARP(addrs []netip.Addr) []bpf.Instruction {
	const outgoing = 4 // PACKET_OUTGOING; 3 is PACKET_OTHERHOST
	p := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: outgoing - 1, SkipTrue: 1},
		drop,
		bpf.LoadAbsolute{Off: HeaderLen + 14, Size: 4}, // sender's address
	}
	return match(p, addrs)
}

// FilterNA returns the program for an ICMPv6 socket: only neighbour
// advertisements for one of addrs pass. It compares the last 32 bits.
func FilterNA(addrs []netip.Addr) []bpf.Instruction {
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: typeNA, SkipTrue: 1},
		drop,
		bpf.LoadAbsolute{Off: targetAt + 12, Size: 4},
	}
	return match(p, addrs)
}

var (
	drop = bpf.RetConstant{Val: 0}
	pass = bpf.RetConstant{Val: 1<<32 - 1}
)

// match passes what the accumulator has of one of addrs.
func match(p []bpf.Instruction, addrs []netip.Addr) []bpf.Instruction {
	if len(addrs) > maxListed {
		return append(p, pass)
	}
	for _, a := range addrs {
		tail := a.AsSlice()
		p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(tail[len(tail)-4:]), SkipTrue: 1}, pass)
	}
	return append(p, drop)
}
