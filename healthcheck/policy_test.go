package healthcheck

import (
	"strings"
	"testing"
	"time"
)

func TestPolicyDefaults(t *testing.T) {
	for _, c := range []struct {
		name    string
		p, want Policy
	}{
		{"zero", Policy{}, Policy{5 * time.Second, time.Second, 10 * time.Second, 2 * time.Second, 2, 3}},
		{"short interval", Policy{Interval: 200 * time.Millisecond},
			Policy{200 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond, 100 * time.Millisecond, 2, 3}},
		{"shortest interval", Policy{Interval: 10 * time.Millisecond},
			Policy{10 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 5 * time.Millisecond, 2, 3}},
		{"long interval", Policy{Interval: time.Minute}, Policy{time.Minute, time.Second, 2 * time.Minute, 2 * time.Second, 2, 3}},
		{"longest interval", Policy{Interval: 24 * time.Hour}, Policy{24 * time.Hour, time.Second, 24 * time.Hour, 2 * time.Second, 2, 3}},
		{"all given", Policy{4, 3, 2, 1, 5, 6}, Policy{4, 3, 2, 1, 5, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.p.withDefaults(); got != c.want {
				t.Errorf("withDefaults() = %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestPolicyValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Policy
		want []string // in the error, one line each
	}{
		{"defaults", Policy{}, nil},
		{"shortest", Policy{Interval: 10 * time.Millisecond}, nil},
		{"longest", Policy{Interval: 24 * time.Hour}, nil},
		{"negative interval", Policy{Interval: -1}, []string{"Interval is -1ns"}},
		{"interval too short", Policy{Interval: 9 * time.Millisecond}, []string{"Interval is 9ms"}},
		{"interval too long", Policy{Interval: 25 * time.Hour}, []string{"Interval is 25h"}},
		{"fast too short", Policy{FastInterval: time.Millisecond}, []string{"FastInterval is 1ms"}},
		{"down negative", Policy{DownInterval: -time.Second}, []string{"DownInterval is -1s"}},
		{"timeout is the interval", Policy{Interval: time.Second, Timeout: time.Second}, []string{"Timeout is 1s"}},
		{"timeout over the default interval", Policy{Timeout: 6 * time.Second}, []string{"Timeout is 6s"}},
		{"timeout too short", Policy{Timeout: time.Microsecond}, []string{"Timeout is 1µs"}},
		{"no rise", Policy{Rise: -1}, []string{"Rise is -1"}},
		{"too much fall", Policy{Fall: 1001}, []string{"Fall is 1001"}},
		{"all of it", Policy{-1, -1, -1, -1, -1, -1}, []string{"Interval", "FastInterval", "DownInterval", "Timeout", "Rise", "Fall"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.p.withDefaults().validate()
			if len(c.want) == 0 {
				if err != nil {
					t.Fatalf("validate() = %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("validate() passed")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("validate() = %q, want %d problems", lines, len(c.want))
			}
			for i, w := range c.want {
				if !strings.HasPrefix(lines[i], "policy: "+w) {
					t.Errorf("problem %d is %q, want %q", i, lines[i], w)
				}
			}
		})
	}
}
