package rawip

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/net/bpf"
)

// set makes the words that SetVRIDs takes.
func set(vrids ...uint8) (w [4]uint64) {
	for _, v := range vrids {
		w[v/64] |= 1 << (v % 64)
	}
	return w
}

func every() [4]uint64 { return [4]uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)} }

// passes runs a filter over a packet.
func passes(t testing.TB, program []bpf.Instruction, packet []byte) bool {
	t.Helper()
	m, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	n, err := m.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	if n != 0 && n < len(packet) {
		t.Errorf("the filter cuts a packet of %d bytes to %d", len(packet), n)
	}
	return n != 0
}

// message is the start of a VRRP message.
func message(version, vrid uint8) []byte {
	return []byte{version<<4 | 1, vrid, 100, 1, 0, 100, 0, 0, 192, 0, 2, 100}
}

// header4 is an IPv4 header with words of options.
func header4(protocol uint8, options int, payload []byte) []byte {
	b := make([]byte, 20+4*options)
	b[0] = 0x40 | uint8(5+options)
	b[3] = uint8(len(b) + len(payload))
	b[8], b[9] = 255, protocol
	copy(b[12:], []byte{192, 0, 2, 1, 224, 0, 0, 18})
	for i := 20; i < len(b); i++ {
		b[i] = 0x31 // looks like a version and a type
	}
	return append(b, payload...)
}

// ah is an authentication header of words.
func ah(next uint8, words int, payload []byte) []byte {
	b := make([]byte, 4*words)
	b[0], b[1] = next, uint8(words-2)
	return append(b, payload...)
}

func TestFilters(t *testing.T) {
	type filter func([4]uint64) []bpf.Instruction
	for _, tt := range []struct {
		name   string
		filter filter
		vrids  [4]uint64
		packet []byte
		want   bool
	}{
		{"IPv4", filter4, set(51), header4(112, 0, message(3, 51)), true},
		{"version 2", filter4, set(51), header4(112, 0, message(2, 51)), true},
		{"version 4", filter4, set(51), header4(112, 0, message(4, 51)), false},
		{"version 0", filter4, set(51), header4(112, 0, message(0, 51)), false},
		{"another type", filter4, set(51), header4(112, 0, append([]byte{0x3f}, message(3, 51)[1:]...)), true}, // counted
		{"another VRID", filter4, set(51), header4(112, 0, message(3, 52)), false},
		{"the same bit of another word", filter4, set(51), header4(112, 0, message(3, 51+32)), false},
		{"VRID 0 of an empty set", filter4, set(), header4(112, 0, message(3, 0)), false},
		{"the last VRID", filter4, set(255), header4(112, 0, message(3, 255)), true},
		{"one IP option", filter4, set(51), header4(112, 1, message(3, 51)), true},
		{"ten IP options", filter4, set(51), header4(112, 10, message(3, 51)), true},
		{"an option that looks like a message", filter4, set(0x31), header4(112, 1, message(3, 51)), false},
		{"one byte", filter4, set(51), header4(112, 0, message(3, 51)[:1]), false},
		{"two bytes", filter4, set(51), header4(112, 0, message(3, 51)[:2]), true}, // the length is counted
		{"no payload", filter4, every(), header4(112, 0, nil), false},
		{"nothing", filter4, every(), nil, false},

		{"AH", filterAH, set(51), header4(51, 0, ah(112, 6, message(2, 51))), true},
		{"AH of another length", filterAH, set(51), header4(51, 0, ah(112, 10, message(2, 51))), true},
		{"AH behind options", filterAH, set(51), header4(51, 3, ah(112, 6, message(2, 51))), true},
		{"AH of another VRID", filterAH, set(51), header4(51, 0, ah(112, 6, message(2, 52))), false},
		{"AH before TCP", filterAH, every(), header4(51, 0, ah(6, 6, message(2, 51))), false},
		{"AH that is cut", filterAH, every(), header4(51, 0, ah(112, 6, nil)), false},

		{"IPv6", filter6, set(51), message(3, 51), true},
		{"IPv6, another VRID", filter6, set(51), message(3, 50), false},
		{"IPv6, version 1", filter6, set(51), message(1, 51), false},
		{"IPv6, nothing", filter6, every(), nil, false},
	} {
		if got := passes(t, tt.filter(tt.vrids), tt.packet); got != tt.want {
			t.Errorf("%s: passes %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Every VRID is looked up in its own bit.
func TestFilterVRIDs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		vrids := [4]uint64{r.Uint64() & r.Uint64(), r.Uint64(), 0, r.Uint64() | r.Uint64()}
		for v := range 256 {
			want := vrids[v/64]>>(v%64)&1 == 1
			m := message(3, uint8(v))
			options := r.IntN(11)
			for name, got := range map[string]bool{
				"IPv4": passes(t, filter4(vrids), header4(112, options, m)),
				"AH":   passes(t, filterAH(vrids), header4(51, options, ah(112, 6, m))),
				"IPv6": passes(t, filter6(vrids), m),
			} {
				if got != want {
					t.Fatalf("%s, VRID %d, set %x: passes %v", name, v, vrids, got)
				}
			}
		}
	}
}

// watched is what FilterPackets does, said plainly.
func watched(packetType, etherType uint32, b []byte) bool {
	if packetType == 3 {
		return false
	}
	next := func(protocol uint8, at int) bool {
		return protocol == 112 || protocol == 51 && at < len(b) && b[at] == 112
	}
	switch {
	case etherType == 0x0800 && len(b) >= 20:
		return (int(b[6])<<8|int(b[7]))&0x1fff == 0 && next(b[9], int(b[0]&0xf)*4)
	case etherType == 0x86dd && len(b) >= 40:
		return next(b[6], 40)
	}
	return false
}

func TestFilterPackets(t *testing.T) {
	fragment := header4(112, 0, message(3, 51))
	fragment[7] = 1
	header6 := func(next uint8, payload []byte) []byte {
		b := make([]byte, 40)
		b[0], b[5], b[6], b[7] = 0x60, uint8(len(payload)), next, 255
		return append(b, payload...)
	}
	packets := map[string][]byte{
		"IPv4":             header4(112, 0, message(3, 51)),
		"IPv4 options":     header4(112, 2, message(3, 51)),
		"IPv4 AH":          header4(51, 1, ah(112, 6, message(2, 51))),
		"IPv4 AH, not us":  header4(51, 1, ah(6, 6, message(2, 51))),
		"IPv4 AH, cut":     header4(51, 0, nil),
		"IPv4 ICMP":        header4(1, 0, message(3, 51)),
		"a later fragment": fragment,
		"IPv6":             header6(112, message(3, 51)),
		"IPv6 AH":          header6(51, ah(112, 6, message(3, 51))),
		"IPv6 AH, not us":  header6(51, ah(58, 6, message(3, 51))),
		"IPv6 ICMP":        header6(58, message(3, 51)),
		"short":            {0x45, 0},
		"empty":            nil,
	}
	seen := 0
	for name, b := range packets {
		for _, packetType := range []uint32{0, 1, 2, 3, 4} {
			for _, etherType := range []uint32{0x0800, 0x86dd, 0x0806} {
				program := FilterPackets()
				for i, in := range program { // the machine has no packet type
					switch in {
					case bpf.LoadExtension{Num: bpf.ExtType}:
						program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: packetType}
					case bpf.LoadExtension{Num: bpf.ExtProto}:
						program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: etherType}
					}
				}
				want := watched(packetType, etherType, b)
				if got := passes(t, program, b); got != want {
					t.Errorf("%s as %#x, packet type %d: passes %v, want %v", name, etherType, packetType, got, want)
				}
				if want {
					seen++
				}
			}
		}
	}
	if seen != 5*4 {
		t.Errorf("%d of the cases pass, want the five that are VRRP, of four packet types", seen)
	}
}

// The kernel knows no more instructions than these in one filter, and x/net's
// machine does not mind.
func TestFilterLength(t *testing.T) {
	for name, p := range map[string][]bpf.Instruction{"IPv4": filter4(every()), "AH": filterAH(every()), "IPv6": filter6(every()), "all": FilterPackets()} {
		raw, err := bpf.Assemble(p)
		if err != nil || len(raw) > 64 {
			t.Errorf("%s: %d instructions, %v", name, len(raw), err)
		}
	}
}
