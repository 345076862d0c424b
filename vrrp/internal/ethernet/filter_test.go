package ethernet

import (
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// vm makes the machine of x/net/bpf out of a filter. It knows no packet type, so
// that is a constant.
func vm(t *testing.T, program []bpf.Instruction, packetType uint32) *bpf.VM {
	t.Helper()
	for i, in := range program {
		if in == (bpf.LoadExtension{Num: bpf.ExtType}) {
			program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: packetType}
		}
	}
	m, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFilters(t *testing.T) {
	const broadcast, otherHost, outgoing = 1, 3, 4
	strange4, strange6 := netip.MustParseAddr("10.77.0.99"), netip.MustParseAddr("fd77::99")
	many := func(a netip.Addr, n int) (out []netip.Addr) {
		for range n {
			out = append(out, a)
			a = a.Next()
		}
		return out
	}
	arp := func(a netip.Addr) []byte { return AppendGratuitousARP(nil, h1, a) }
	na := func(a netip.Addr) []byte { return AppendUnsolicitedNA(nil, h1, a, true)[HeaderLen+40:] }
	for _, tt := range []struct {
		name       string
		program    []bpf.Instruction
		packetType uint32
		packet     []byte
		want       bool
	}{
		{"held", FilterARP([]netip.Addr{vip4}), broadcast, arp(vip4), true},
		{"the last of many", FilterARP(many(vip4, maxListed)), 0, arp(many(vip4, maxListed)[maxListed-1]), true},
		{"not held", FilterARP(many(vip4, maxListed)), broadcast, arp(strange4), false},
		{"too many: all pass", FilterARP(many(vip4, maxListed+1)), broadcast, arp(strange4), true},
		{"nothing held", FilterARP(nil), broadcast, arp(vip4), false},
		{"our own", FilterARP([]netip.Addr{vip4}), outgoing, arp(vip4), false},
		{"of another network", FilterARP([]netip.Addr{vip4}), otherHost, arp(vip4), false},
		{"a question about it", FilterARP([]netip.Addr{vip4}), broadcast, AppendARPProbe(nil, h1, vip4), false},
		{"short", FilterARP([]netip.Addr{vip4}), broadcast, arp(vip4)[:31], false},

		{"NA held", FilterNA([]netip.Addr{vipLink, vip6}), 0, na(vip6), true},
		{"NA not held", FilterNA([]netip.Addr{vipLink, vip6}), 0, na(strange6), false},
		{"NA, nothing held", FilterNA(nil), 0, na(vip6), false},
		{"NA, too many", FilterNA(many(vip6, maxListed+1)), 0, na(strange6), true},
		{"not an NA", FilterNA([]netip.Addr{vip6}), 0, AppendNSProbe(nil, h1, vip6)[HeaderLen+40:], false},
		{"short NA", FilterNA([]netip.Addr{vip6}), 0, na(vip6)[:23], false},
	} {
		n, err := vm(t, tt.program, tt.packetType).Run(tt.packet)
		if err != nil || (n > 0) != tt.want {
			t.Errorf("%s: passes %d bytes, %v, want any: %v", tt.name, n, err, tt.want)
		}
	}
}
