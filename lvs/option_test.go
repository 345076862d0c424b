package lvs

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNilOption(t *testing.T) {
	vip := netip.MustParseAddrPort("192.0.2.1:80")
	if _, err := NewService(TCP, vip, nil); err == nil || !strings.Contains(err.Error(), "option 1 is nil") {
		t.Errorf("NewService() = %v", err)
	}
	s, err := NewService(TCP, vip)
	if err != nil {
		t.Fatal(err)
	}
	dest := netip.MustParseAddrPort("192.0.2.2:80")
	if err := s.Add(dest, nil); err == nil || !strings.Contains(err.Error(), "option 1 is nil") {
		t.Errorf("Add() = %v", err)
	}
	if err := s.Add(dest); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(dest.String(), Weight(2), nil); err == nil || !strings.Contains(err.Error(), "option 2 is nil") {
		t.Errorf("Update() = %v", err)
	}
	if w := s.Snapshot().Dests[0].Weight; w != 1 {
		t.Errorf("weight %d after a refused Update, want 1", w)
	}
}
