package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestDialectRefuses(t *testing.T) {
	udp, err := UDPTransport(authFrom, testKey(1), authTo)
	if err != nil {
		t.Fatal(err)
	}
	key := testKey(1)
	for _, c := range []struct {
		name string
		six  bool
		opts []Option
		want []string
	}{
		{"version 4", false, []Option{WithVersion(4)}, []string{"version 4 is neither 2 nor 3"}},
		{"version 1", false, []Option{WithVersion(1)}, []string{"version 1 is neither 2 nor 3"}},
		{"version 2 over IPv6", true, []Option{WithVersion(2)}, []string{"version 2 is for IPv4 only"}},
		{"short interval of version 2", false, []Option{WithVersion(2), WithInterval(100 * time.Millisecond)}, []string{"interval 100ms is outside 1s..4m15s, which version 2 can carry"}},
		{"uneven interval of version 2", false, []Option{WithInterval(1500 * time.Millisecond), WithVersion(2)}, []string{"interval 1.5s is not in whole seconds, which version 2 carries"}},
		{"long interval of version 2", false, []Option{WithVersion(2), WithInterval(256 * time.Second)}, []string{"interval 4m16s is outside"}},
		{"interval of version 2 in version 3", false, []Option{WithInterval(60 * time.Second)}, []string{"interval 1m0s is outside 10ms..40.95s, which version 3 can carry"}},
		{"long password", false, []Option{WithVersion(2), WithPassword("secret123")}, []string{"the password has 9 bytes, outside 1..8"}},
		{"no password", false, []Option{WithVersion(2), WithPassword("")}, []string{"the password has 0 bytes, outside 1..8"}},
		{"password in version 3", false, []Option{WithPassword("secret12")}, []string{"version 3 has no passwords"}},
		{"password and key", false, []Option{WithVersion(2), WithPassword("secret12"), WithHMAC(key)}, []string{"cannot be combined"}},
		{"password over UDP", false, []Option{WithVersion(2), WithPassword("secret12"), WithTransport(udp)}, []string{"cannot be combined"}},
		{"empty range of TTLs", false, []Option{WithUnicast(netip.Addr{}, Peer{Addr: netip.MustParseAddr("192.0.2.1"), MinTTL: 255, MaxTTL: 64})},
			[]string{"unicast peer 192.0.2.1: nothing is between a TTL of 255 and one of 64"}},
		{"form", false, []Option{WithChecksum(9)}, []string{"Checksum(9) is no form of the checksum"}},
		{"no key", false, []Option{WithHMAC(HMACKey{})}, []string{"WithHMAC without a key"}},
		{"no further key", false, []Option{WithHMAC(key, HMACAlso(HMACKey{}))}, []string{"HMACAlso without a key"}},
		{"key twice", false, []Option{WithHMAC(key, HMACAlso(testKey(2), testKey(1)))}, []string{"two keys have the id 1"}},
		{"short window", false, []Option{WithHMAC(key, HMACWindow(999*time.Millisecond))}, []string{"HMAC window 999ms is outside 1s..5m0s"}},
		{"long window", false, []Option{WithHMAC(key, HMACWindow(301*time.Second))}, []string{"HMAC window 5m1s is outside 1s..5m0s"}},
		{"negative window", false, []Option{WithHMAC(key, HMACWindow(-1))}, []string{"HMAC window -1ns is outside"}},
		{"window of a monotonic one", false, []Option{WithHMAC(key, HMACMonotonic(), HMACWindow(time.Minute))}, []string{"no meaning with HMACMonotonic"}},
		{"nil option", false, []Option{WithHMAC(key, HMACPermissive(), nil)}, []string{"WithHMAC: option 2 is nil"}},
		{"unsigned over UDP", false, []Option{WithHMAC(key, HMACReceiveOnly()), WithTransport(udp)}, []string{"allows no unsigned advert"}},
		{"several", true, []Option{WithVersion(2), WithPassword("secret123"), WithHMAC(HMACKey{}), WithChecksum(200)},
			[]string{"IPv4 only", "9 bytes", "WithHMAC without a key", "Checksum(200)"}},
	} {
		vips := vips4
		if c.six {
			vips = vips6
		}
		r, err := New(51, vips, append([]Option{WithTransport(newFake())}, c.opts...)...)
		if err == nil || r != nil {
			t.Errorf("%s: New() = %v, %v", c.name, r, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: New() = %v, want %q", c.name, err, want)
			}
		}
		lines := strings.Split(err.Error(), "\n")
		for _, line := range lines {
			if !strings.HasPrefix(line, "vrrp: ") || strings.Contains(line, "secret1") {
				t.Errorf("%s: %q", c.name, line)
			}
		}
		if len(lines) != len(c.want) {
			t.Errorf("%s: %d problems, want %d: %v", c.name, len(lines), len(c.want), err)
		}
	}
}

func TestDialectAccepts(t *testing.T) {
	udp, err := UDPTransport(authFrom, testKey(1), authTo)
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string][]Option{
		"version 2, shortest":       {WithVersion(2), WithInterval(time.Second)},
		"version 2, longest":        {WithVersion(2), WithInterval(255 * time.Second)},
		"password of 1":             {WithVersion(2), WithPassword("a")},
		"password of 8":             {WithPassword("secret12"), WithVersion(2)},
		"old unicast checksum":      {WithChecksum(GroupPseudoHeader)},
		"form without a meaning":    {WithVersion(2), WithChecksum(MessageOnly)},
		"version 2, HMAC":           {WithVersion(2), WithHMAC(testKey(1), HMACAlso(testKey(2), testKey(255)))},
		"windows":                   {WithHMAC(testKey(1), HMACWindow(time.Second)), WithHMAC(testKey(1), HMACWindow(300*time.Second))},
		"keys for UDP":              {WithTransport(udp), WithHMAC(testKey(1), HMACAlso(testKey(2)))},
		"other keys for UDP":        {WithTransport(udp), WithHMAC(testKey(2), HMACMonotonic())},
		"version 2 over UDP":        {WithTransport(udp), WithVersion(2)},
		"permissive, several modes": {WithHMAC(testKey(1), HMACPermissive(), HMACReceiveOnly())},
	} {
		if _, err := New(51, vips4, append([]Option{WithTransport(newFake())}, opts...)...); err != nil {
			t.Errorf("%s: New() = %v", name, err)
		}
	}
	// Version 2 has one family, so nothing else needs to tell it.
	if r, err := New(51, nil, WithTransport(newFake()), WithVersion(2)); err != nil || r.Snapshot().Family != IPv4 {
		t.Errorf("version 2 without addresses: %v, %v", r, err)
	}
}

// The key that the transport brings signs, unless WithHMAC names others.
func TestKeysOfTheTransport(t *testing.T) {
	udp, err := UDPTransport(authFrom, testKey(1), authTo)
	if err != nil {
		t.Fatal(err)
	}
	for want, opts := range map[string][]Option{
		"[hmac-key-1]":            {WithTransport(udp)},
		"[hmac-key-2 hmac-key-1]": {WithTransport(udp), WithHMAC(testKey(2), HMACAlso(testKey(1)))},
	} {
		c := defaults()
		for _, o := range opts {
			o(&c)
		}
		if got := fmt.Sprint(c.keys().keys()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if c := defaults(); c.keys() != nil {
		t.Errorf("%v without keys", c.keys())
	}
}

// The options that a router gets reach the wire, in both directions.
func TestDialectOnLAN(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []Option
		hear bool
	}{
		{"version 2", []Option{WithVersion(2)}, []Option{WithVersion(2)}, true},
		{"passwords", []Option{WithVersion(2), WithPassword("secret12")}, []Option{WithVersion(2), WithPassword("secret12")}, true},
		{"other passwords", []Option{WithVersion(2), WithPassword("secret12")}, []Option{WithVersion(2), WithPassword("secret13")}, false},
		{"versions", []Option{WithVersion(2)}, nil, false},
		{"forms", []Option{WithChecksum(MessageOnly)}, []Option{WithChecksum(PseudoHeader)}, true},
		{"rotation", []Option{WithHMAC(testKey(1), HMACAlso(testKey(2)))}, []Option{WithHMAC(testKey(2), HMACAlso(testKey(1)))}, true},
		{"roll-out", []Option{WithHMAC(testKey(1), HMACPermissive())}, []Option{WithHMAC(testKey(1), HMACReceiveOnly())}, true},
		{"before roll-out", []Option{WithHMAC(testKey(1))}, nil, false},
	} {
		bubble(t, c.name, func(t *testing.T) {
			lan := newTestLAN(t)
			a := run(t, vips4, append(c.a, WithTransport(lan.multicast(1)), WithPriority(150))...)
			b := run(t, vips4, append(c.b, WithTransport(lan.multicast(2)))...)
			pass(10 * time.Second)
			if s := a.Snapshot(); s.State != Active {
				t.Errorf("a is %v", s.State)
			}
			if s := b.Snapshot(); (s.State == Backup) != c.hear {
				t.Errorf("b is %v", s.State)
			}
		})
	}
}
