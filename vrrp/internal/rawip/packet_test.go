package rawip

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// ipPackets returns the IP packets of a capture of real keepalived, as they were
// on the wire. Those that are not VRRP have another EtherType or protocol.
func ipPackets(t testing.TB, name string) (out [][]byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "captures", name))
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) > 0; { // pcap, little-endian, Ethernet
		n := 16 + binary.LittleEndian.Uint32(b[8:])
		if kind := binary.BigEndian.Uint16(b[16+12:]); kind == 0x0800 || kind == 0x86dd {
			out = append(out, b[16+14:n])
		}
		b = b[n:]
	}
	return out
}

func TestParsePacketsAsCaptured(t *testing.T) {
	for _, tt := range []struct {
		capture  string
		ah       bool
		src, dst string
		version  uint8
		length   int
	}{
		{"v3-ipv4-stop.pcap", false, "10.77.0.1", "224.0.0.18", 3, 12},
		{"v2-ah-stop.pcap", true, "10.77.0.1", "224.0.0.18", 2, 20},
		{"v3-ipv6-stop.pcap", false, "fe80::77:ff:fe00:1", "ff02::12", 3, 40},
	} {
		found := false
		for _, b := range ipPackets(t, tt.capture) {
			padded := append(bytes.Clone(b), make([]byte, 46)...)
			d, ok := ParsePacket(b)
			p, pok := ParsePacket(padded)
			if ok != pok || !bytes.Equal(d.Data, p.Data) {
				t.Errorf("%s: %x reads as %x, padded as %x", tt.capture, b, d.Data, p.Data)
			}
			if !ok || d.Src != netip.MustParseAddr(tt.src) {
				continue
			}
			found = true
			if d.Dst != netip.MustParseAddr(tt.dst) || d.TTL != 255 || d.AH != tt.ah || len(d.Data) != tt.length || d.Data[0] != tt.version<<4|1 || d.Data[1] != 51 {
				t.Errorf("%s: %x reads as %+v", tt.capture, b, d)
			}
		}
		if !found {
			t.Errorf("%s: no packet from %s", tt.capture, tt.src)
		}
	}
}

func TestParsePacket(t *testing.T) {
	m := message(3, 51)
	with := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v
		return b
	}
	plain := header4(112, 0, m)
	for _, tt := range []struct {
		name string
		b    []byte
		want []byte // nil: not ok
		ah   bool
	}{
		{"plain", plain, m, false},
		{"options", header4(112, 10, m), m, false},
		{"padding", append(bytes.Clone(plain), 1, 2, 3), m, false},
		{"cut", plain[:26], m[:6], false},
		{"no payload", header4(112, 0, nil), []byte{}, false},
		{"AH", header4(51, 0, ah(112, 6, m)), m, true},
		{"AH, padding", append(header4(51, 2, ah(112, 6, m)), 9), m, true},

		{"empty", nil, nil, false},
		{"IP version 5", with(plain, 0, 0x55), nil, false},
		{"short header", plain[:19], nil, false},
		{"header length below 20", with(plain, 0, 0x44), nil, false},
		{"total below the header", with(plain, 3, 19), nil, false},
		{"another protocol", with(plain, 9, 6), nil, false},
		{"AH before another", header4(51, 0, ah(6, 6, m)), nil, false},
		{"AH shorter than any", header4(51, 0, ah(112, 2, append([]byte{}, m...))), nil, false},
		{"AH beyond the end", header4(51, 0, with(ah(112, 6, m), 1, 200)), nil, false},
		{"AH that is cut", header4(51, 0, []byte{112, 4, 0}), nil, false},
		{"IPv6 that is cut", append([]byte{0x60}, make([]byte, 38)...), nil, false},
	} {
		d, ok := ParsePacket(tt.b)
		if ok != (tt.want != nil) || ok && (!bytes.Equal(d.Data, tt.want) || d.AH != tt.ah) {
			t.Errorf("%s: %x, AH %v, ok %v, want %x, AH %v", tt.name, d.Data, d.AH, ok, tt.want, tt.ah)
		}
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add(header4(112, 2, message(3, 51)))
	f.Add(header4(51, 0, ah(112, 6, message(2, 51))))
	for _, b := range ipPackets(f, "v3-ipv6-stop.pcap") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, ok := ParsePacket(b)
		if !ok {
			return
		}
		if len(d.Data) > len(b)-20 || !d.Src.IsValid() || d.Src.Is4() != d.Dst.Is4() {
			t.Errorf("%x reads as %+v", b, d)
		}
		if len(d.Data) > 0 && !bytes.Contains(b, d.Data) {
			t.Errorf("%x: message %x is no part of it", b, d.Data)
		}
	})
}
