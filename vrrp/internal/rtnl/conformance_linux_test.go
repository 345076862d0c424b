package rtnl

import (
	"net"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl/rtnltest"
)

// RFC 9568 section 7.4: no interface identifier is derived from the virtual MAC.
// The kernel would give the interface a link-local address as it comes up.
func TestRFC9568_7_4_NoIdentifierOfTheVirtualMAC(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n, c := rtnltest.New(t), dial(t)
	n.Wire("eth0", "peer0")
	index, err := c.AddMacvlan(Macvlan{Name: "vrrp6.51", Parent: n.Index("eth0"), MAC: net.HardwareAddr{0, 0, 0x5e, 0, 2, 51}, Alias: "mainstay"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetUp(index, true); err != nil {
		t.Fatal(err)
	}
	all, err := c.Addrs(index)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		t.Errorf("the interface has %v", a.Prefix)
	}
}
