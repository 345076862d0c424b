package main

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

var t0 = time.Date(2026, 1, 1, 13, 0, 0, 120000, time.FixedZone("CET", 3600))

func TestTransitionLine(t *testing.T) {
	in := instance{name: "eth0-51", iface: "eth0", vrid: 51}
	for _, c := range []struct {
		name   string
		change func(*instance, *vrrp.Transition)
		want   string
	}{
		{"plain", func(*instance, *vrrp.Transition) {},
			"2026-01-01T12:00:00.000120000Z vrid=51 iface=eth0 from=backup to=active reason=no-response priority=100 name=eth0-51"},
		{"group", func(in *instance, _ *vrrp.Transition) { in.group = "G" },
			"2026-01-01T12:00:00.000120000Z vrid=51 iface=eth0 from=backup to=active reason=no-response group=G priority=100 name=eth0-51"},
		{"peer", func(_ *instance, tr *vrrp.Transition) {
			tr.From, tr.To, tr.Reason, tr.Peer = vrrp.Active, vrrp.Backup, vrrp.ReasonHigherPriority, netip.MustParseAddrPort("192.0.2.2:0")
		}, "2026-01-01T12:00:00.000120000Z vrid=51 iface=eth0 from=active to=backup reason=higher-priority priority=100 peer=192.0.2.2 name=eth0-51"},
		{"peer with a port", func(_ *instance, tr *vrrp.Transition) { tr.Peer = netip.MustParseAddrPort("[fe80::2]:1985") },
			"2026-01-01T12:00:00.000120000Z vrid=51 iface=eth0 from=backup to=active reason=no-response priority=100 peer=[fe80::2]:1985 name=eth0-51"},
		{"error", func(_ *instance, tr *vrrp.Transition) {
			tr.To, tr.Reason, tr.Err = vrrp.Fault, vrrp.ReasonFault, errors.New("vrrp: link \"eth0\"\nis down")
		}, `2026-01-01T12:00:00.000120000Z vrid=51 iface=eth0 from=backup to=fault reason=fault priority=100 name=eth0-51 err="vrrp: link \"eth0\"\nis down"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, tr := in, vrrp.Transition{Time: t0, VRID: 51, From: vrrp.Backup, To: vrrp.Active, Reason: vrrp.ReasonNoResponse, Priority: 100}
			c.change(&in, &tr)
			if got := transitionLine(&in, tr); got != c.want {
				t.Errorf("line = %s\nwant   %s", got, c.want)
			}
		})
	}
}

func TestMetricsText(t *testing.T) {
	f := families{index: map[string]*family{}}
	f.add("mainstay_vrrp_priority", 'g', 100, "vrid", "51")
	f.add("mainstay_vrrp_drops_total", 'c', 3, "vrid", "51", "reason", "a\"b\\c\nd")
	f.add("mainstay_vrrp_priority", 'g', 0.5, "vrid", "52")
	f.add("plain", 'g', 1)
	var b strings.Builder
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	want := `# TYPE mainstay_vrrp_priority gauge
mainstay_vrrp_priority{vrid="51"} 100
mainstay_vrrp_priority{vrid="52"} 0.5
# TYPE mainstay_vrrp_drops_total counter
mainstay_vrrp_drops_total{vrid="51",reason="a\"b\\c\nd"} 3
# TYPE plain gauge
plain 1
`
	if b.String() != want {
		t.Errorf("text = %s\nwant   %s", b.String(), want)
	}
}
