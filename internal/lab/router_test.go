package lab

import (
	"testing"
	"time"
)

func TestRouterTimes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		r          Router
		skew, down time.Duration
	}{
		{"default", Router{}, 121875 * time.Microsecond, 721875 * time.Microsecond},
		{"version 2", Router{Version: 2, Interval: 3 * time.Second}, 609375 * time.Microsecond, 9609375 * time.Microsecond},
		{"10ms, priority 254", Router{Interval: 10 * time.Millisecond, Priority: 254}, 78125, 30078125},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.r.Defaults()
			if r.Skew() != tt.skew || r.Down() != tt.down {
				t.Errorf("skew %v, down %v, want %v, %v", r.Skew(), r.Down(), tt.skew, tt.down)
			}
		})
	}
}
