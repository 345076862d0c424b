package rawip

import "golang.org/x/net/bpf"

// A raw socket of IPv4 shows its filter the packet from the IP header on, one of
// IPv6 from the VRRP message on. A load beyond the end of a packet drops it.

// filter4 returns the program for a socket of protocol 112.
func filter4(vrids [4]uint64) []bpf.Instruction {
	return accept([]bpf.Instruction{
		bpf.LoadMemShift{Off: 0}, // X: length of the IP header, options included
	}, vrids)
}

// filterAH returns the program for a socket of protocol 51, of IPv4.
func filterAH(vrids [4]uint64) []bpf.Instruction {
	return accept([]bpf.Instruction{
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 0, Size: 1}, // next header
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoVRRP, SkipTrue: 1},
		drop,
		bpf.LoadIndirect{Off: 1, Size: 1}, // length in words, less 2 (RFC 4302 section 2.2)
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
	}, vrids)
}

// filter6 returns the program for a socket of IPv6.
func filter6(vrids [4]uint64) []bpf.Instruction {
	return accept([]bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegX, Val: 0}}, vrids)
}

var (
	drop = bpf.RetConstant{Val: 0}
	pass = bpf.RetConstant{Val: 1<<32 - 1}
)

// accept passes the messages at X of version 2 or 3 for one of the VRIDs. It
// takes the same time whatever they are: it looks the bit up.
func accept(p []bpf.Instruction, vrids [4]uint64) []bpf.Instruction {
	const scratch = 0
	p = append(p,
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 2, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 3, SkipTrue: 1},
		drop,
		bpf.LoadIndirect{Off: 1, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 31},
		bpf.StoreScratch{Src: bpf.RegA, N: scratch}, // the bit in its word of 32
		bpf.LoadIndirect{Off: 1, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 5}, // the word
	)
	const words = 8
	for i := range uint32(words) {
		left := words - 1 - i
		p = append(p,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: i, SkipTrue: 2},
			bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(vrids[i/2] >> (i % 2 * 32))},
			bpf.Jump{Skip: left * 3},
		)
	}
	return append(p,
		bpf.LoadScratch{Dst: bpf.RegX, N: scratch},
		bpf.ALUOpX{Op: bpf.ALUOpShiftRight},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 1, SkipTrue: 1},
		drop,
		pass,
	)
}

// FilterPackets returns the program for a socket of IP packets without a link
// header: VRRP of either family passes, and VRRP behind an authentication header.
// It is for watching: of any VRID, and sent by this host too, but not of another
// network (PACKET_OTHERHOST). The protocol, of the link, tells IPv4 from IPv6.
func FilterPackets() []bpf.Instruction {
	const (
		ipv4, ipv6 = 0x0800, 0x86dd
		otherHost  = 3
		header6    = 40
	)
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: otherHost, SkipTrue: 15},
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ipv4, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ipv6, SkipTrue: 12},
		bpf.LoadConstant{Dst: bpf.RegX, Val: header6},
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.Jump{Skip: 4},
		bpf.LoadAbsolute{Off: 6, Size: 2}, // IPv4: only a first fragment has the header
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 7},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoVRRP, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoAH, SkipTrue: 3},
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoVRRP, SkipTrue: 1},
		pass,
		drop,
	}
}
