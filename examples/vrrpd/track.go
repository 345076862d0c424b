package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// track is something whose failure lowers the priority, or takes the router out.
type track struct {
	flag     string        // -track, -track-interface or -track-process, without the dash
	weight   int           // 0: its failure is a fault
	reverse  bool          // of the weight, as in keepalived
	what     string        // the command, the interface or the name of the process
	interval time.Duration // of a command, as everything below
	timeout  time.Duration
	rise     int
	fall     int
}

// trackOf reads weight[,option...]:what. keepalived's bounds and defaults: weight -253 to 253, interval 1 s, rise and
// fall 1. A command that has not ended after nine tenths of its interval has failed.
func trackOf(flag string) func(string) (track, error) {
	return func(text string) (track, error) {
		t := track{flag: flag}
		head, what, ok := strings.Cut(text, ":")
		if !ok || strings.TrimSpace(what) == "" {
			return t, errors.New("want weight:what, such as -20:pidof nginx")
		}
		t.what = strings.TrimSpace(what)
		weight, options, _ := strings.Cut(head, ",")
		n, err := number(-253, 253)(weight)
		if err != nil {
			return t, fmt.Errorf("weight %q: %w", weight, err)
		}
		t.weight = n
		if flag == "track" {
			t.interval, t.rise, t.fall = time.Second, 1, 1
		}
		for options != "" {
			var option string
			option, options, _ = strings.Cut(options, ",")
			if err := t.option(option); err != nil {
				return t, err
			}
		}
		if flag == "track" && t.timeout == 0 {
			t.timeout = t.interval * 9 / 10
		}
		if t.timeout > 0 && t.timeout >= t.interval {
			return t, fmt.Errorf("timeout %v: want less than the interval, %v", t.timeout, t.interval)
		}
		return t, nil
	}
}

// option reads one of those between weight and colon.
func (t *track) option(text string) (err error) {
	key, value, _ := strings.Cut(text, "=")
	switch {
	case text == "reverse":
		t.reverse = true
	case t.flag != "track":
		return fmt.Errorf("unknown option %q: want reverse", text)
	case key == "interval":
		if t.interval, err = positive(value); err == nil && (t.interval < 10*time.Millisecond || t.interval > 24*time.Hour) {
			err = errors.New("want 10ms to 24h")
		}
	case key == "timeout":
		if t.timeout, err = positive(value); err == nil && t.timeout < time.Millisecond {
			err = errors.New("want 1ms or more")
		}
	case key == "rise":
		t.rise, err = number(1, 1000)(value)
	case key == "fall":
		t.fall, err = number(1, 1000)(value)
	default:
		return fmt.Errorf("unknown option %q: want interval, timeout, rise, fall or reverse", text)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", key, value, err)
	}
	return nil
}

// String is the value of the flag.
func (t track) String() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(t.weight))
	if t.reverse {
		b.WriteString(",reverse")
	}
	if t.flag == "track" {
		fmt.Fprintf(&b, ",interval=%v,timeout=%v,rise=%d,fall=%d", t.interval, t.timeout, t.rise, t.fall)
	}
	return b.String() + ":" + t.what
}

// name is what the router knows it by: flag and value.
func (t track) name() string { return "-" + t.flag + " " + t.String() }

// adds is what it adds to the priority: a positive weight while up, a negative one while down, and reverse turns that
// about. With weight 0 nothing.
func (t track) adds(up bool) int {
	w := t.weight
	if t.reverse {
		w, up = -w, !up
	}
	if (w > 0) == up {
		return w
	}
	return 0
}
