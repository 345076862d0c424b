package relay_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/lvs"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

func TestNilOption(t *testing.T) {
	svc := must(lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80")))
	if _, err := relay.New(svc, relay.WithConnectTries(2), nil); err == nil || !strings.Contains(err.Error(), "option 2 is nil") {
		t.Errorf("New() = %v", err)
	}
}
