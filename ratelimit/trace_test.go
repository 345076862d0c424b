package ratelimit

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A trace is what a real nginx decided: its zones, the limits of its locations, and for each request the millisecond,
// the location, the key in each zone ("-" is none), the answers of the single limits, and the outcome.
//
//	zone 10r/s
//	location 0:burst=5,delay=2 1:burst=3,nodelay
//	request 1000012 0 alice - | 0:-2:1000 | DELAYED 0 1000 100
type trace struct {
	zones     []string
	locations [][]traceLimit
	requests  []traceRequest
}

type traceLimit struct {
	zone         int
	burst, delay int // delay -1: nodelay
}

type traceRequest struct {
	ms       int64
	location int
	keys     []string
	steps    []refStep
	outcome  string // PASSED, DELAYED, REJECTED or FREE: every key was empty
	zone     int    // of a delay or a rejection, like the following
	excess   int64
	delay    int64 // ms
}

func (l traceLimit) String() string {
	s := fmt.Sprintf("%d:burst=%d", l.zone, l.burst)
	if l.delay < 0 {
		return s + ",nodelay"
	}
	return fmt.Sprintf("%s,delay=%d", s, l.delay)
}

func (r traceRequest) String() string {
	var steps []string
	for _, s := range r.steps {
		steps = append(steps, fmt.Sprintf("%d:%d:%d", s.limit, s.rc, s.excess))
	}
	keys := slices.Clone(r.keys)
	for i := range keys {
		if keys[i] == "" {
			keys[i] = "-"
		}
	}
	return strings.Join(strings.Fields(fmt.Sprintf("request %d %d %s | %s | %s %d %d %d", r.ms, r.location, strings.Join(keys, " "),
		strings.Join(steps, " "), r.outcome, r.zone, r.excess, r.delay)), " ")
}

func (tr *trace) write(path string) error {
	var b strings.Builder
	for _, z := range tr.zones {
		fmt.Fprintln(&b, "zone", z)
	}
	for _, l := range tr.locations {
		fmt.Fprintln(&b, "location", strings.Trim(fmt.Sprint(l), "[]"))
	}
	for _, r := range tr.requests {
		fmt.Fprintln(&b, r)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func readTrace(path string) (*trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tr := &trace{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if err := tr.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return tr, lines.Err()
}

func (tr *trace) line(text string) error {
	kind, rest, _ := strings.Cut(text, " ")
	switch kind {
	case "zone":
		tr.zones = append(tr.zones, rest)
	case "location":
		var limits []traceLimit
		for _, f := range strings.Fields(rest) {
			var l traceLimit
			if _, err := fmt.Sscanf(f, "%d:burst=%d,delay=%d", &l.zone, &l.burst, &l.delay); err != nil {
				l.delay = -1
				if _, err := fmt.Sscanf(f, "%d:burst=%d,nodelay", &l.zone, &l.burst); err != nil {
					return err
				}
			}
			limits = append(limits, l)
		}
		tr.locations = append(tr.locations, limits)
	case "request":
		parts := strings.Split(rest, "|")
		if len(parts) != 3 {
			return fmt.Errorf("%d parts", len(parts))
		}
		var r traceRequest
		head := strings.Fields(parts[0])
		if len(head) != 2+len(tr.zones) {
			return fmt.Errorf("%d fields for %d zones", len(head), len(tr.zones))
		}
		if _, err := fmt.Sscan(head[0]+" "+head[1], &r.ms, &r.location); err != nil {
			return err
		}
		for _, k := range head[2:] {
			r.keys = append(r.keys, strings.TrimPrefix(k, "-"))
		}
		for _, f := range strings.Fields(parts[1]) {
			var s refStep
			if _, err := fmt.Sscanf(f, "%d:%d:%d", &s.limit, &s.rc, &s.excess); err != nil {
				return err
			}
			r.steps = append(r.steps, s)
		}
		if _, err := fmt.Sscan(parts[2], &r.outcome, &r.zone, &r.excess, &r.delay); err != nil {
			return err
		}
		tr.requests = append(tr.requests, r)
	default:
		return fmt.Errorf("unknown line %q", text)
	}
	return nil
}

// check replays the trace through the package and through the reference, and wants the answers of nginx from both.
func (tr *trace) check(t *testing.T) {
	t.Helper()
	base := time.Now()
	var zones []*Zone[string]
	var refs []*refZone
	for i, rate := range tr.zones {
		z := mustZone[string](t, rate, WithName(fmt.Sprint(i)), WithBase(base))
		zones, refs = append(zones, z), append(refs, newRefZone(z.rate))
	}
	var chains []*Chain[traceRequest]
	var limits [][]refLimit
	for _, location := range tr.locations {
		var rules []Rule[traceRequest]
		var lims []refLimit
		for _, l := range location {
			opt, delay := Delay(l.delay), int64(l.delay)*1000
			if l.delay < 0 {
				opt, delay = NoDelay(), math.MaxInt64
			}
			key := func(r traceRequest) (string, bool) { return r.keys[l.zone], true }
			rules = append(rules, On(zones[l.zone], key, Burst(l.burst), opt))
			lims = append(lims, refLimit{zone: refs[l.zone], burst: int64(l.burst) * 1000, delay: delay})
		}
		chains, limits = append(chains, mustChain(t, rules...)), append(limits, lims)
	}
	seen := map[string]int{}
	for i, r := range tr.requests {
		seen[r.outcome]++
		want := refResult{outcome: r.outcome, limit: RuleNone, excess: r.excess, delay: r.delay, steps: r.steps}
		for j, l := range tr.locations[r.location] {
			if l.zone == r.zone {
				want.limit = j
			}
		}
		if r.outcome == "FREE" {
			want.outcome = ""
		}
		if got := describe(chains[r.location].Decide(r.ms*1e6, r)); got != want.describe() {
			t.Fatalf("request %d: %v\nDecide() = %s, nginx: %s", i, r, got, want.describe())
		}
		var keys []string
		for _, l := range tr.locations[r.location] {
			keys = append(keys, r.keys[l.zone])
		}
		ref := refDecide(limits[r.location], keys, r.ms)
		if ref.describe() != want.describe() || !slices.Equal(ref.steps, r.steps) {
			t.Fatalf("request %d: %v\nthe reference: %s, %v\nnginx:         %s, %v", i, r, ref.describe(), ref.steps, want.describe(), r.steps)
		}
	}
	t.Logf("%d requests, no difference: %v", len(tr.requests), seen)
	for _, o := range []string{"PASSED", "DELAYED", "REJECTED"} {
		if seen[o] < len(tr.requests)/50 {
			t.Errorf("only %d of %d requests are %s", seen[o], len(tr.requests), o)
		}
	}
}

// TestNginxTraces replays what a real nginx was seen to do.
func TestNginxTraces(t *testing.T) {
	paths, err := filepath.Glob("testdata/nginx/*.trace")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			tr, err := readTrace(path)
			if err != nil {
				t.Fatal(err)
			}
			tr.check(t)
		})
	}
}
