package healthcheck

import (
	"strings"
	"testing"
)

func TestNilOption(t *testing.T) {
	if _, err := New(WithConcurrency(1), nil); err == nil || !strings.Contains(err.Error(), "option 2 is nil") {
		t.Errorf("New() = %v", err)
	}
	m, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Checker{TCP(nil), HTTP(nil)} {
		if _, err := m.Add(Target{Addr: "192.0.2.1:80"}, c, Policy{}); err == nil || !strings.Contains(err.Error(), "option 1 is nil") {
			t.Errorf("Add(%T) = %v", c, err)
		}
	}
}
