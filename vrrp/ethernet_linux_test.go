package vrrp

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/cable"
	"github.com/mainstay-ha/mainstay/vrrp/internal/ethernet"
	"golang.org/x/sys/unix"
)

// One interface is shared by routers that come and go.
func TestEthernetIsShared(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	leak.Check(t)
	cable.New(t)
	e, err := EthernetAnnouncer(cable.Near, GratuitousReply(), RouterFlag(true))
	if err != nil {
		t.Fatal(err)
	}
	open := func(vrid uint8, family Family, vip string) Announcements {
		t.Helper()
		a, err := e.Open(context.Background(), VirtualRouter{VRID: vrid, Family: family, VirtualMAC: vrid == 2},
			[]netip.Prefix{netip.MustParsePrefix(vip)}, func(ev AddressEvent) { t.Errorf("unexpected event: %+v", ev) })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for range 2 { // closed with the last, and opened anew
		one, two := open(1, IPv4, "192.0.2.100/24"), open(2, IPv6, "2001:db8::100/64")
		if err := one.Announce([]netip.Addr{netip.MustParseAddr("192.0.2.100")}); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := one.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := two.Announce([]netip.Addr{netip.MustParseAddr("2001:db8::100")}); err != nil {
			t.Error(err)
		}
		if err := two.Close(); err != nil {
			t.Error(err)
		}
		if e.port != nil || e.users != 0 {
			t.Errorf("still open: %+v", e)
		}
	}
}

// A conflict names the address and the other's MAC.
func TestEthernetConflict(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	vip := netip.MustParseAddr("192.0.2.100")
	c.There(func() { cable.IP(t, "addr add "+vip.String()+"/32 dev "+cable.Far) })
	e, err := EthernetAnnouncer(cable.Near, func(c *ethernet.Config) { c.Pace = ethernet.Pace{} })
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan AddressEvent, 1)
	a, err := e.Open(context.Background(), VirtualRouter{VRID: 1, Family: IPv4}, []netip.Prefix{netip.PrefixFrom(vip, 32)}, func(ev AddressEvent) {
		select {
		case events <- ev:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for {
		if err := a.Announce([]netip.Addr{vip}); err != nil {
			t.Fatal(err)
		}
		select {
		case ev := <-events:
			if ev.Kind != AddressConflict || ev.Addr != vip || !strings.Contains(ev.Err.Error(), vip.String()+" is also claimed by "+cable.FarMAC) {
				t.Errorf("event %+v", ev)
			}
			return
		case <-t.Context().Done():
			t.Fatal("no event")
		default:
		}
	}
}

func TestEthernetErrors(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	leak.Check(t)
	for _, tt := range []struct {
		name, iface string
		dynamic     bool
		want        error
		text        string
	}{
		{"missing", "eth9", false, unix.ENODEV, `interface "eth9"`},
		{"missing, and that is fine", "eth9", true, nil, ""},
		{"loopback", "lo", false, errors.ErrUnsupported, `interface "lo" has no Ethernet neighbours`},
	} {
		e, err := EthernetAnnouncer(tt.iface)
		if err != nil {
			t.Fatal(err)
		}
		a, err := e.Open(context.Background(), VirtualRouter{VRID: 1, Family: IPv4, Dynamic: tt.dynamic}, nil, nil)
		if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v with %q", tt.name, err, tt.want, tt.text)
		}
		if a != nil {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
