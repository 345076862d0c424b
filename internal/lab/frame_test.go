package lab

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// TestDecodeForged has Decode find everything that Forged put in.
func TestDecodeForged(t *testing.T) {
	v4 := Forged{Src: MAC{2, 0, 0, 0, 0, 1}, From: netip.MustParseAddr("192.0.2.1"), Priority: 150, Interval: 100 * time.Millisecond,
		Addrs: addrs("192.0.2.100"), Checksum: Pseudo}
	v6 := v4
	v6.From, v6.Addrs = netip.MustParseAddr("fe80::1"), addrs("fe80::100", "2001:db8::100")
	for _, tt := range []struct {
		name   string
		base   Forged
		change func(*Forged)
		to     string // of the frame
	}{
		{"version 3, IPv4", v4, func(*Forged) {}, "01:00:5e:00:00:12"},
		{"version 3, IPv6", v6, func(*Forged) {}, "33:33:00:00:00:12"},
		{"message alone", v4, func(f *Forged) { f.Checksum = MessageAlone }, "01:00:5e:00:00:12"},
		{"wrong checksum", v4, func(f *Forged) { f.Checksum = Wrong }, "01:00:5e:00:00:12"},
		{"wrong checksum, IPv6", v6, func(f *Forged) { f.Checksum = Wrong }, "33:33:00:00:00:12"},
		{"version 2", v4, func(f *Forged) { f.Version, f.Interval, f.Checksum = 2, time.Second, MessageAlone }, "01:00:5e:00:00:12"},
		{"TTL 254", v4, func(f *Forged) { f.TTL = 254 }, "01:00:5e:00:00:12"},
		{"priority 0, no address", v4, func(f *Forged) { f.Priority, f.Addrs = 0, nil }, "01:00:5e:00:00:12"},
		{"more addresses claimed than sent", v4, func(f *Forged) { f.Count = 200 }, "01:00:5e:00:00:12"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := tt.base
			tt.change(&g)
			f := Decode(g.Frame())
			fill(&g.TTL, 255)
			fill(&g.Version, 3)
			if f.Kind != Advert || f.Src != g.Src || f.Dst.String() != tt.to || f.From != g.From || f.TTL != g.TTL || f.TOS != 0xc0 ||
				f.Version != g.Version || f.Type != 1 || f.VRID != 51 || f.Priority != g.Priority || f.Interval != g.Interval ||
				!slices.Equal(f.Addrs, g.Addrs) || f.Checksum != g.Checksum {
				t.Errorf("Decode() = %v (%+v), want what %+v says", f, f.Message, g)
			}
		})
	}
}

// TestDecodeFrames are frames of keepalived and the kernel.
func TestDecodeFrames(t *testing.T) {
	const to, from = "ffffffffffff", "027700000001"
	for _, tt := range []struct {
		name, frame string
		kind        Kind
		addr        string
		owner       string
	}{
		{"gratuitous ARP", to + from + "0806" + "0001080006040001" + from + "0a4d0064" + to + "0a4d0064", Announce, "10.77.0.100", "02:77:00:00:00:01"},
		{"ARP request", to + from + "0806" + "0001080006040001" + from + "0a4d0001" + "000000000000" + "0a4d0064", ARP, "10.77.0.1", "02:77:00:00:00:01"},
		{"answer to a gratuitous ARP", "027700000002" + from + "0806" + "0001080006040002" + from + "0a4d0064" + "027700000002" + "0a4d0064", ARP, "10.77.0.100", "02:77:00:00:00:01"},
		{"unsolicited neighbour advertisement", "333300000001" + from + "86dd" + "60000000" + "0020" + "3aff" +
			"fd770000000000000000000000000100" + "ff020000000000000000000000000001" +
			"88000000" + "a0000000" + "fd770000000000000000000000000100" + "0201" + from, Announce, "fd77::100", "02:77:00:00:00:01"},
		{"solicited neighbour advertisement", "027700000002" + from + "86dd" + "60000000" + "0020" + "3aff" +
			"fd770000000000000000000000000100" + "fd770000000000000000000000000002" +
			"88000000" + "60000000" + "fd770000000000000000000000000100" + "0201" + from, NA, "fd77::100", "02:77:00:00:00:01"},
		{"TCP", to + from + "0800" + "4500001400000000ff060000" + "0a4d0001" + "0a4d0002", Other, "", ""},
		{"IPv4 header of no length", to + from + "0800" + "4000000200000000ff700000" + "0a4d0001" + "e0000012", Other, "", ""},
		{"IPv4 shorter than it says", to + from + "0800" + "450000ff00000000ff700000" + "0a4d0001" + "e0000012", Other, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(tt.frame)
			if err != nil {
				t.Fatal(err)
			}
			f := Decode(b)
			if f.Kind != tt.kind || tt.addr != "" && (f.Addr.String() != tt.addr || f.Owner.String() != tt.owner) {
				t.Errorf("Decode() = %v: kind %d, %v at %v, want kind %d, %v at %v", f, f.Kind, f.Addr, f.Owner, tt.kind, tt.addr, tt.owner)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	g := Forged{From: netip.MustParseAddr("192.0.2.1"), Addrs: addrs("192.0.2.100")}
	f.Add(g.Frame())
	g.From, g.Addrs = netip.MustParseAddr("fe80::1"), addrs("fe80::100")
	f.Add(g.Frame())
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		_ = Decode(b).String()
		if !bytes.Equal(b, before) {
			t.Error("Decode changed its input")
		}
	})
}
