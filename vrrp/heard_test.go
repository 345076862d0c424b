package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

// The lines that an operator reads.
func TestHeardLine(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC)
	signedWith := func(key uint8, g sample) []byte {
		a := newAuthenticator(testKey(key), familyOf(g.src()), 51, time.Second, 1)
		return a.sign(g.bytes(), g.bytes(), netip.AddrPortFrom(g.src(), 0), wall0)
	}
	for _, c := range []struct {
		name string
		g    sample
		data []byte // instead of the sample's
		ttl  uint8
		ah   bool
		want string
	}{
		{"version 3", golden[goldenV3], nil, 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 interval=1s addrs=10.77.0.100 checksum=pseudo-header"},
		{"resigning", golden[1], nil, 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=0 resigns interval=1s addrs=10.77.0.100 checksum=pseudo-header"},
		{"owner", golden[6], nil, 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=255 owner interval=1s addrs=10.77.0.100 checksum=pseudo-header"},
		{"three addresses, 10 ms", golden[7], nil, 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 interval=1s addrs=10.77.0.100,10.77.0.101,10.77.0.102 checksum=pseudo-header"},
		{"unicast, TTL of somebody's choice", golden[8], nil, 64, false,
			"vrid=51 src=10.77.0.1 dst=10.77.0.2 ttl=64 version=3 priority=150 interval=1s addrs=10.77.0.100 checksum=pseudo-header"},
		{"IPv6", golden[goldenV6], nil, 255, false,
			"vrid=51 src=fe80::77:ff:fe00:1 dst=ff02::12 ttl=255 version=3 priority=150 interval=1s addrs=fe80::100:0,fd77::100:0"},
		{"TTL not known", golden[goldenV2], nil, 0, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 version=2 priority=150 interval=1s addrs=10.77.0.100"},
		{"password", golden[goldenPassword], nil, 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=2 priority=150 interval=1s addrs=10.77.0.100 auth=password"},
		{"behind AH", golden[goldenV2], resum(with(golden[goldenV2].bytes(), 4, 2), golden[goldenV2].src(), golden[goldenV2].dst()), 255, true,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=2 priority=150 interval=1s addrs=10.77.0.100 auth=header ah drop=ah length=20"},
		{"signed", golden[goldenV3], signedWith(7, golden[goldenV3]), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 interval=1s addrs=10.77.0.100 checksum=pseudo-header hmac-key=7 hmac-time=2023-11-14T22:13:20.062500Z"},
		{"version 2, signed", golden[goldenV2], signedWith(9, golden[goldenV2]), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=2 priority=150 interval=1s addrs=10.77.0.100 hmac-key=9 hmac-time=2023-11-14T22:13:20.062500Z"},
		{"an unknown trailer", golden[goldenV3], with(signedWith(7, golden[goldenV3]), 12, 2), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 interval=1s addrs=10.77.0.100 hmac-key=7 hmac-time=2023-11-14T22:13:20.062500Z drop=hmac-malformed length=40"},
		{"wrong TTL", golden[goldenV3], nil, 254, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=254 version=3 priority=150 interval=1s addrs=10.77.0.100 drop=ttl length=12"},
		{"wrong checksum", golden[goldenV3], with(golden[goldenV3].bytes(), 7, 0), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 interval=1s addrs=10.77.0.100 drop=checksum length=12"},
		{"interval 0", golden[goldenV3], resum(with(golden[goldenV3].bytes(), 5, 0), golden[goldenV3].src(), golden[goldenV3].dst()), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 addrs=10.77.0.100 checksum=pseudo-header drop=interval length=12"},
		{"no addresses", golden[goldenV3], resum(with(golden[goldenV3].bytes(), 3, 0)[:8], golden[goldenV3].src(), golden[goldenV3].dst()), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 interval=1s checksum=pseudo-header drop=count length=8"},
		{"unknown authentication", golden[goldenV2], with(golden[goldenV2].bytes(), 4, 7), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=2 priority=150 interval=1s addrs=10.77.0.100 auth=AuthType(7) drop=auth-type length=20"},
		{"VRID 0", golden[goldenV3], with(golden[goldenV3].bytes(), 1, 0), 255, false,
			"vrid=0 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 interval=1s addrs=10.77.0.100 drop=vrid length=12"},
		{"CARP", golden[goldenV3], append([]byte{0x21, 1, 0, 7, 0, 1, 0, 0}, make([]byte, 28)...), 255, false,
			"vrid=1 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=2 priority=0 drop=length length=36"},
		{"type 3", golden[goldenV3], with(golden[goldenV3].bytes(), 0, 0x33), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=3 priority=150 drop=type length=12"},
		{"version 4", golden[goldenV3], with(golden[goldenV3].bytes(), 0, 0x41), 255, false,
			"vrid=51 src=10.77.0.1 dst=224.0.0.18 ttl=255 version=4 priority=150 drop=version length=12"},
		{"seven bytes", golden[goldenV3], golden[goldenV3].bytes()[:7], 255, false,
			"src=10.77.0.1 dst=224.0.0.18 ttl=255 drop=length length=7"},
		{"nothing", golden[goldenV3], []byte{}, 0, false, "src=10.77.0.1 dst=224.0.0.18 drop=length length=0"},
		{"two families", sample{from: "10.77.0.1", to: "ff02::12"}, golden[goldenV3].bytes(), 255, false,
			"vrid=51 src=10.77.0.1 dst=ff02::12 ttl=255 version=3 priority=150 drop=address-family length=12"},
	} {
		data := c.data
		if data == nil {
			data = c.g.bytes()
		}
		h := decode(data, c.g.src(), c.g.dst(), c.ttl, c.ah)
		if got := h.String(); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
		h.Time, h.Iface = at, "eth0"
		if got, want := h.String(), "2026-03-01T12:00:00.250000Z iface=eth0 "+c.want; got != want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, want)
		}
	}
}

func TestParseAH(t *testing.T) {
	good := []byte{112, 4, 0, 0, 10, 77, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x21}
	h, rest, ok := parseAH(good)
	if !ok || h != (authHeader{spi: 0x0a4d0001, sequence: 2}) || len(rest) != 1 || rest[0] != 0x21 {
		t.Errorf("parseAH() = %+v, %x, %v", h, rest, ok)
	}
	if _, rest, ok := parseAH(good[:24]); !ok || len(rest) != 0 {
		t.Errorf("parseAH() of the header alone = %x, %v", rest, ok)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "23 bytes": good[:23], "TCP inside": with(append([]byte(nil), good...), 0, 6), "another length": with(append([]byte(nil), good...), 1, 5),
	} {
		if _, _, ok := parseAH(b); ok {
			t.Errorf("%s: parseAH() took it", name)
		}
	}
}
