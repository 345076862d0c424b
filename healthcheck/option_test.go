package healthcheck

import (
	"strings"
	"testing"
)

func TestNilOption(t *testing.T) {
	if _, err := New(WithConcurrency(1), nil); err == nil || !strings.Contains(err.Error(), "option 2 is nil") {
		t.Errorf("New() = %v", err)
	}
}
