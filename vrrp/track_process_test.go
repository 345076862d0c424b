package vrrp

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProcessSpec(t *testing.T) {
	set := func(bool) {}
	for _, c := range []struct {
		name string
		spec ProcessSpec
		set  func(bool)
		want string
	}{
		{"no name", ProcessSpec{}, set, "a name is needed"},
		{"a long name", ProcessSpec{Name: "0123456789abcdef"}, set, `at most 15 bytes, as in "0123456789abcde"`},
		{"a long command", ProcessSpec{Name: "0123456789abcdef", FullCommand: true}, set, ""},
		{"partial of nothing", ProcessSpec{Name: "x", ParamMatch: ParamsPartial}, set, "needed for match partial"},
		{"initial of nothing", ProcessSpec{Name: "x", ParamMatch: ParamsInitial}, set, "needed for match initial"},
		{"none of some", ProcessSpec{Name: "x", Params: []string{"a"}, ParamMatch: ParamsNone}, set, "wants none"},
		{"no match", ProcessSpec{Name: "x", ParamMatch: 9}, set, "ParamMatch(9) is no match"},
		{"too few", ProcessSpec{Name: "x", Min: -1}, set, "between -1 and 0"},
		{"crossed", ProcessSpec{Name: "x", Min: 3, Max: 2}, set, "between 3 and 2"},
		{"crossed by default", ProcessSpec{Name: "x", Max: -1}, set, "between 1 and -1"},
		{"negative", ProcessSpec{Name: "x", ForkDelay: -1}, set, "-1ns is negative"},
		{"negative interval", ProcessSpec{Name: "x", Interval: -time.Second}, set, "-1s is negative"},
		{"no set", ProcessSpec{Name: "x"}, nil, "set is nil"},
		{"fine", ProcessSpec{Name: "0123456789abcde", Params: []string{"a"}, ParamMatch: ParamsInitial, Min: 2, Max: 2}, set, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.spec.validate(c.set)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	s := ProcessSpec{Name: "x"}
	if err := s.validate(set); err != nil || s.Min != 1 || s.Interval != time.Second {
		t.Errorf("defaults: %+v, %v", s, err)
	}
	if err := TrackProcess(t.Context(), ProcessSpec{Name: "x", Min: -1}, set); err == nil || !strings.HasPrefix(err.Error(), `vrrp: track process "x": no number`) {
		t.Errorf("TrackProcess() = %v", err)
	}
}

func TestProcessQuorum(t *testing.T) {
	for _, c := range []struct {
		lo, hi int
		want   string
	}{
		{1, 0, "no yes yes yes"},
		{2, 0, "no no yes yes"},
		{1, 1, "no yes no no"},
		{2, 3, "no no yes yes"},
	} {
		s := ProcessSpec{Min: c.lo, Max: c.hi}
		var got []string
		for n := range 4 {
			got = append(got, map[bool]string{true: "yes", false: "no"}[s.right(n)])
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%d to %d: %s for 0 to 3, want %s", c.lo, c.hi, g, c.want)
		}
	}
}

func TestTrackProcessElsewhere(t *testing.T) {
	if runtime.GOOS == "linux" {
		t.Skip("it is supported here")
	}
	if err := TrackProcess(t.Context(), ProcessSpec{Name: "x"}, func(bool) {}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("TrackProcess() = %v, want errors.ErrUnsupported", err)
	}
}
