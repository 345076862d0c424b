package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// steps returns how many random steps a comparison makes for each of its cases: a million in total, fewer under the race
// detector, which has nothing to find in one goroutine.
func steps(cases int) int {
	if race.Enabled {
		return 100_000 / cases
	}
	return 1_000_000 / cases
}

// walk moves a clock at random, in milliseconds: mostly forward by little, sometimes back, rarely by days. No stay in
// the past is so long that a word could have been dropped as old before.
type walk struct {
	rng  *rand.Rand
	now  int64
	most int64
}

func newWalk(rng *rand.Rand) *walk {
	start := 200 * 24 * time.Hour.Milliseconds()
	return &walk{rng: rng, now: start, most: start}
}

func (w *walk) step() int64 {
	switch p := w.rng.IntN(10_000); {
	case p < 3000: // the same millisecond
	case p < 6000:
		w.now += w.rng.Int64N(20)
	case p < 8500:
		w.now += w.rng.Int64N(400)
	case p < 9300:
		w.now += w.rng.Int64N(5000)
	case p < 9500:
		w.now += w.rng.Int64N(120_000)
	case p < 9800:
		w.now -= w.rng.Int64N(1000)
	case p < 9900:
		w.now -= w.rng.Int64N(70_000)
	case p < 9995:
		w.now -= w.rng.Int64N(3_600_000)
	case p < 9998:
		w.now += w.rng.Int64N(24 * 3_600_000)
	default:
		w.now += w.rng.Int64N(40 * 24 * 3_600_000)
	}
	w.now = max(w.now, w.most-24*3_600_000)
	w.most = max(w.most, w.now)
	return w.now
}

// testRates stays below what overflows nginx itself: it multiplies the rate by the milliseconds since 0 for some nodes.
var testRates = []string{"1r/m", "7r/m", "30r/m", "1r/s", "3r/s", "10r/s", "1000r/m", "1000r/s", "100000r/s"}

// request is what the chains of the comparison decide on: one key for each rule.
type request [4]string

func keyOf(i int) func(request) (string, bool) {
	return func(r request) (string, bool) { return r[i], r[i] != "" }
}

// pair is one chain and its reference.
type pairOfChains struct {
	chain  *Chain[request]
	limits []refLimit
}

func newPair(t *testing.T, rng *rand.Rand, n int) pairOfChains {
	t.Helper()
	base := time.Now()
	var p pairOfChains
	var rules []Rule[request]
	for i := range n {
		text := testRates[rng.IntN(len(testRates))]
		milli, err := parseRate(text)
		if err != nil {
			t.Fatal(err)
		}
		burst := []int{0, 0, 1, 2, 5, 20, 300, MaxBurst}[rng.IntN(8)]
		opts := []RuleOption{Burst(burst)}
		l := refLimit{zone: newRefZone(milli), burst: int64(burst) * 1000}
		switch rng.IntN(3) {
		case 0:
			opts = append(opts, NoDelay())
			l.delay = 1<<63 - 1
		case 1:
			delay := rng.IntN(burst + 2)
			opts = append(opts, Delay(delay))
			l.delay = int64(delay) * 1000
		}
		z := mustZone[string](t, text, WithName(strconv.Itoa(i)), WithBase(base), WithCapacity(1024))
		rules = append(rules, On(z, keyOf(i), opts...))
		p.limits = append(p.limits, l)
	}
	p.chain = mustChain(t, rules...)
	return p
}

// describe returns a decision in the terms of the reference.
func describe(d Decision) string {
	switch d.Outcome {
	case Rejected:
		return fmt.Sprintf("REJECTED by %d, excess %d", d.Rule(), d.Excess())
	case Delayed:
		return fmt.Sprintf("DELAYED by %d, excess %d, for %d ms", d.Rule(), d.Excess(), d.Delay.Milliseconds())
	}
	if d.Rule() == RuleNone {
		return "not limited"
	}
	return "PASSED"
}

func (r refResult) describe() string {
	switch r.outcome {
	case "REJECTED":
		return fmt.Sprintf("REJECTED by %d, excess %d", r.limit, r.excess)
	case "DELAYED":
		return fmt.Sprintf("DELAYED by %d, excess %d, for %d ms", r.limit, r.excess, r.delay)
	case "":
		return "not limited"
	}
	return "PASSED"
}

// TestChainEqualsReference compares chains of one to four rules with the reference: every outcome, deciding rule,
// excess and delay, over a million random requests at random times.
func TestChainEqualsReference(t *testing.T) {
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprintf("rules=%d", n), func(t *testing.T) {
			t.Parallel()
			const rounds = 25
			seen := map[string]int{}
			for round := range uint64(rounds) {
				rng := rand.New(rand.NewPCG(round, uint64(n)))
				p, clock := newPair(t, rng, n), newWalk(rng)
				keys := make([]string, n)
				for step := range steps(4 * rounds) {
					var r request
					for i := range n {
						r[i] = ""
						if rng.IntN(8) > 0 {
							r[i] = strconv.Itoa(rng.IntN(5))
						}
						keys[i] = r[i]
					}
					ms := clock.step()
					got := p.chain.Decide(ms*1e6+rng.Int64N(1e6), r)
					want := refDecide(p.limits, keys, ms)
					if got, want := describe(got), want.describe(); got != want {
						t.Fatalf("round %d, step %d at %d ms, keys %q: Decide() = %s, want %s", round, step, ms, keys, got, want)
					}
					outcome, _, _ := strings.Cut(describe(got), " ")
					seen[outcome]++
				}
			}
			for _, o := range []string{"PASSED", "DELAYED", "REJECTED", "not"} {
				if seen[o] < 50 && !race.Enabled {
					t.Errorf("the comparison saw %d of %q", seen[o], o)
				}
			}
		})
	}
}

// TestChainRetryAfter: a rejected request passes after RetryAfter, and not a millisecond earlier.
func TestChainRetryAfter(t *testing.T) {
	seen := 0
	for round := range uint64(300) {
		rng := rand.New(rand.NewPCG(round, 77))
		p := newPair(t, rng, 1+rng.IntN(4))
		now := start
		for range 200 {
			r := request{"a", "b", "c", "d"}
			now += rng.Int64N(2000) * 1e6
			d := p.chain.Decide(now, r)
			if d.Outcome != Rejected {
				continue
			}
			if d.RetryAfter <= 0 || d.RetryAfter%time.Millisecond != 0 {
				t.Fatalf("RetryAfter = %v", d.RetryAfter)
			}
			seen++
			if early := p.chain.Decide(now+int64(d.RetryAfter-time.Millisecond), r); early.Outcome != Rejected {
				t.Fatalf("round %d: %v a millisecond before RetryAfter %v", round, early.Outcome, d.RetryAfter)
			}
			now += int64(d.RetryAfter)
			if again := p.chain.Decide(now, r); again.Outcome == Rejected {
				t.Fatalf("round %d: rejected after RetryAfter %v, again for %v", round, d.RetryAfter, again.RetryAfter)
			}
		}
	}
	if seen < 1000 {
		t.Fatalf("only %d rejections", seen)
	}
}

// TestChainRemaining: exactly as many further requests pass in the same moment.
func TestChainRemaining(t *testing.T) {
	for round := range uint64(100) {
		rng := rand.New(rand.NewPCG(round, 3))
		z1 := mustZone[string](t, "5r/s")
		z2 := mustZone[string](t, "50r/m")
		c := mustChain(t, On(z1, keyOf(0), Burst(rng.IntN(30))), On(z2, keyOf(1), Burst(rng.IntN(30)), NoDelay()))
		now, r := start, request{"a", "b"}
		for range 20 {
			now += rng.Int64N(3e9)
			d := c.Decide(now, r)
			for want := d.Remaining() - 1; d.Outcome != Rejected && want >= 0; want-- {
				if d = c.Decide(now, r); d.Outcome == Rejected || d.Remaining() != want {
					t.Fatalf("round %d: %v with %d remaining, want %d", round, d.Outcome, d.Remaining(), want)
				}
			}
			if d = c.Decide(now, r); d.Outcome != Rejected {
				t.Fatalf("round %d: %v after nothing remained", round, d.Outcome)
			}
		}
	}
}

func TestChainRejectChargesNothing(t *testing.T) {
	wide := mustZone[string](t, "1r/m", WithName("wide"))
	tight := mustZone[string](t, "1r/m", WithName("tight"))
	c := mustChain(t, On(wide, keyOf(0), Burst(3), NoDelay()), On(tight, keyOf(1), NoDelay()))
	outcomes := func(keys ...string) (got []string) {
		for _, k := range keys {
			d := c.Decide(start, request{"wide", k})
			got = append(got, d.Outcome.String()+" "+c.Name(d.Rule()))
		}
		return got
	}
	got := fmt.Sprint(outcomes("a", "a", "a", "a", "b", "c", "d", "e"))
	want := "[PASSED tight REJECTED tight REJECTED tight REJECTED tight PASSED tight PASSED tight PASSED tight REJECTED wide]"
	if got != want {
		t.Errorf("outcomes = %s\nwant %s", got, want)
	}
	if s := wide.Snapshot(); s.Rejected != 1 {
		t.Errorf("wide: %+v", s)
	}
	if s := tight.Snapshot(); s.Rejected != 3 {
		t.Errorf("tight: %+v", s)
	}
}

// TestChainOvertaken: a request that finds the second zone exhausted between its look and its charge, by another request,
// gives back what it was charged in the first.
func TestChainOvertaken(t *testing.T) {
	first := mustZone[string](t, "1r/m", WithName("first"))
	second := mustZone[string](t, "1r/m", WithName("second"))
	other := mustChain(t, On(second, keyOf(1)))
	overtake := false
	c := mustChain(t, On(first, keyOf(0), Burst(9), NoDelay()), On(second, keyOf(1)),
		On(mustZone[string](t, "1r/m", WithName("third")), func(r request) (string, bool) {
			if overtake {
				if d := other.Decide(start, r); d.Outcome != Passed {
					t.Errorf("the other request: %v", d.Outcome)
				}
			}
			return r[2], true
		}, Burst(9), NoDelay()))
	for i, want := range []int64{0, 1000} {
		overtake = true
		d := c.Decide(start, request{"a", strconv.Itoa(i), "a"})
		if d.Outcome != Rejected || c.Name(d.Rule()) != "second" || d.RetryAfter != 62500*time.Millisecond {
			t.Fatalf("overtaken request: %+v", d)
		}
		overtake = false
		look := mustChain(t, On(first, keyOf(0), Burst(9), NoDelay()))
		if d := look.Decide(start, request{"a"}); d.Excess() != want {
			t.Errorf("the next request in the first zone leaves %d, want %d", d.Excess(), want)
		}
	}
	if s := first.Snapshot(); s.Rejected != 0 {
		t.Errorf("first zone: %+v", s)
	}
}

func TestChainTies(t *testing.T) {
	for _, test := range []struct {
		name         string
		first, last  string
		burst, delay int
		rule         int
	}{
		{"alike: the later", "10r/s", "10r/s", 5, 0, 1},
		{"the first longer", "5r/s", "10r/s", 5, 0, 0},
		{"the last longer", "10r/s", "5r/s", 5, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := mustChain(t,
				On(mustZone[string](t, test.first), keyOf(0), Burst(test.burst)),
				On(mustZone[string](t, test.last), keyOf(1), Burst(test.burst)))
			c.Decide(start, request{"a", "a"})
			d := c.Decide(start, request{"a", "a"})
			if d.Outcome != Delayed || d.Rule() != test.rule {
				t.Errorf("Decide() = %v by rule %d, want DELAYED by %d", d.Outcome, d.Rule(), test.rule)
			}
		})
	}
}

// TestChainBases: zones of different age agree on the time in a chain, and over chains that share one.
func TestChainBases(t *testing.T) {
	now := time.Now()
	old := mustZone[string](t, "1r/s", WithBase(now.Add(-time.Hour)))
	young := mustZone[string](t, "1r/s", WithBase(now))
	shared := mustZone[string](t, "1r/s", WithBase(now.Add(-time.Minute)))
	a := mustChain(t, On(old, keyOf(0), NoDelay()), On(shared, keyOf(1), NoDelay()))
	b := mustChain(t, On(young, keyOf(0), NoDelay()), On(shared, keyOf(1), NoDelay()))
	at := func(c *Chain[request], t time.Duration) int64 { return int64(now.Add(t).Sub(c.base)) }
	if d := a.Decide(at(a, 0), request{"a", "x"}); d.Outcome != Passed {
		t.Fatalf("first: %v", d.Outcome)
	}
	if d := b.Decide(at(b, 999*time.Millisecond), request{"b", "x"}); d.Outcome != Rejected || d.RetryAfter != time.Millisecond {
		t.Errorf("999 ms later: %v, retry after %v", d.Outcome, d.RetryAfter)
	}
	if d := b.Decide(at(b, time.Second), request{"b", "x"}); d.Outcome != Passed {
		t.Errorf("1 s later: %v", d.Outcome)
	}
}

func TestChainEmptyKeys(t *testing.T) {
	z := mustZone[string](t, "1r/m")
	for name, key := range map[string]func(request) (string, bool){
		"false": func(request) (string, bool) { return "key", false },
		"empty": func(request) (string, bool) { return "", true },
	} {
		c := mustChain(t, On(z, key))
		for range 3 {
			if d := c.Decide(start, request{}); d.Outcome != Passed || d.Rule() != RuleNone || d.Remaining() != -1 {
				t.Errorf("%s: Decide() = %+v", name, d)
			}
		}
	}
	none := mustChain[request](t)
	if d := none.Decide(none.Now(), request{}); d.Outcome != Passed || d.Rule() != RuleNone {
		t.Errorf("no rules: Decide() = %+v", d)
	}
	if s := z.Snapshot(); s.Keys != 0 {
		t.Errorf("the zone counted: %+v", s)
	}
}

func TestNewChainErrors(t *testing.T) {
	z := mustZone[string](t, "1r/s", WithName("one"))
	other := mustZone[string](t, "1r/s", WithName("two"))
	var none *Zone[string]
	_, err := NewChain(
		On(z, keyOf(0), Burst(-1)),
		On(z, keyOf(0), Burst(MaxBurst+1)),
		On(z, keyOf(0), Delay(-2)),
		On(other, keyOf(0)),
		On(other, keyOf(1)),
		On(none, keyOf(0)),
		On[request, string](z, nil),
		Rule[request]{},
	)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`ratelimit: rule 0: zone "one": burst -1: must be from 0 to 4000000`,
		`ratelimit: rule 1: zone "one": burst 4000001: must be from 0 to 4000000`,
		`ratelimit: rule 2: zone "one": delay -2: must not be negative`,
		`ratelimit: rule 4: zone "two" is used by rule 3 already`,
		`ratelimit: rule 5: a zone and a key function are required`,
		`ratelimit: rule 6: a zone and a key function are required`,
		`ratelimit: rule 7: a rule is made with On`,
	} {
		if !strings.Contains(err.Error(), want+"\n") && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	many := make([]Rule[request], MaxRules+1)
	for i := range many {
		many[i] = On(mustZone[string](t, "1r/s"), keyOf(0))
	}
	if _, err := NewChain(many...); err == nil || !strings.Contains(err.Error(), "17 rules") {
		t.Errorf("17 rules: %v", err)
	}
	c := mustChain(t, many[:MaxRules]...)
	if d := c.Decide(start, request{"a"}); d.Outcome != Passed || d.Rule() != MaxRules-1 {
		t.Errorf("16 rules: %+v", d)
	}
	if got := c.Name(RuleNone) + c.Name(MaxRules) + c.Name(0); got != "default" {
		t.Errorf("names %q", got)
	}
}
