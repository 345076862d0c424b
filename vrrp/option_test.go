package vrrp

import (
	"strings"
	"testing"
)

func TestNilOption(t *testing.T) {
	if _, err := New(1, nil, WithPriority(1), nil); err == nil || !strings.Contains(err.Error(), "vrrp: option 2 is nil") {
		t.Errorf("New() = %v", err)
	}
}
