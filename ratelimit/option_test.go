package ratelimit

import (
	"net/http"
	"strings"
	"testing"
)

func TestNilOption(t *testing.T) {
	if _, err := NginxZone[string]("1r/s", nil); err == nil || !strings.Contains(err.Error(), "option 1 is nil") {
		t.Errorf("NginxZone() = %v", err)
	}
	z, err := NginxZone[string]("1r/s")
	if err != nil {
		t.Fatal(err)
	}
	rule := On(z, func(*http.Request) (string, bool) { return "k", true }, Burst(1), nil)
	if _, err := NewChain(rule); err == nil || !strings.Contains(err.Error(), "option 2 is nil") {
		t.Errorf("NewChain() = %v", err)
	}
	if _, err := Middleware(nil); err == nil || !strings.Contains(err.Error(), "option 1 is nil") {
		t.Errorf("Middleware() = %v", err)
	}
}
