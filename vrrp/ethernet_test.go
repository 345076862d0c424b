package vrrp

import (
	"strings"
	"testing"
)

func TestEthernetAnnouncerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, iface string
		opts        []EthernetOption
		want        string
	}{
		{"no interface", "", nil, "an interface is needed"},
		{"nil option", "eth0", []EthernetOption{nil}, "option 1 is nil"},
	} {
		_, err := EthernetAnnouncer(tt.iface, tt.opts...)
		if err == nil || !strings.HasPrefix(err.Error(), "vrrp: Ethernet announcer: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
