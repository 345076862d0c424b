package vrrp

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

const damperMS = int64(time.Millisecond)

// naiveDamper looks at the level every millisecond since it began to be what it is.
type naiveDamper struct {
	up, down    int64 // delays in ms
	known, told bool
	level       bool
	since       int64
}

func (m *naiveDamper) look(now int64, level bool) {
	if !m.known {
		m.known, m.told, m.level, m.since = true, level, level, now
	}
	if level != m.level {
		m.level, m.since = level, now
	}
	delay := m.down
	if level {
		delay = m.up
	}
	if level != m.told && now-m.since >= delay {
		m.told = level
	}
}

// Against the naive model, with random levels and delays; the damper is only
// asked when the level changes and at its own deadlines.
func TestDamperAgainstEveryMillisecond(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		up, down := rnd.Int64N(12), rnd.Int64N(12)
		if rnd.IntN(4) == 0 {
			up = 0
		}
		d := newDamper(time.Duration(up*damperMS), time.Duration(down*damperMS))
		m := naiveDamper{up: up, down: down}
		level, news := rnd.IntN(2) == 0, 0
		for now := range int64(300) {
			changed := now == 0
			if rnd.IntN(6) == 0 {
				level, changed = !level, true
			}
			was := m.told
			m.look(now, level)
			if now > 0 && m.told != was {
				news++
			}
			if changed || d.deadline() <= now*damperMS {
				if d.see(now*damperMS, level) && now > 0 {
					news--
				}
			}
			if d.told != m.told {
				t.Fatalf("delays %d, %d ms, at %d ms: told %v, want %v", up, down, now, d.told, m.told)
			}
		}
		if news != 0 {
			t.Fatalf("delays %d, %d ms: %d changes more were told in the model", up, down, news)
		}
	}
}

func TestDamper(t *testing.T) {
	t1 := t0 + 1000*damperMS
	type look struct {
		at       instant
		up, news bool
		told     bool
		deadline instant
	}
	for _, c := range []struct {
		name     string
		up, down int64 // ms
		looks    []look
	}{
		{"the first is told at once", 500, 500, []look{{t0, false, true, false, never}}},
		{"no delay", 0, 0, []look{{t0, true, true, true, never}, {t1, false, true, false, never}, {t1, true, true, true, never}}},
		{"a change that lasts", 0, 100, []look{
			{t0, true, true, true, never}, {t1, false, false, true, t1 + 100*damperMS},
			{t1 + 99*damperMS, false, false, true, t1 + 100*damperMS}, {t1 + 100*damperMS, false, true, false, never}}},
		{"a flap", 0, 100, []look{
			{t0, true, true, true, never}, {t1, false, false, true, t1 + 100*damperMS}, {t1 + 50*damperMS, true, false, true, never},
			{t1 + 60*damperMS, false, false, true, t1 + 160*damperMS}}},
		{"a flap that is over when it is looked at", 0, 100, []look{
			{t0, true, true, true, never}, {t1, false, false, true, t1 + 100*damperMS}, {t1 + 200*damperMS, true, false, true, never}}},
		{"time goes back", 50, 100, []look{
			{t1, true, true, true, never}, {t1, false, false, true, t1 + 100*damperMS}, {t0, false, false, true, t1 + 100*damperMS},
			{t1 + 100*damperMS, false, true, false, never}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDamper(time.Duration(c.up*damperMS), time.Duration(c.down*damperMS))
			for i, l := range c.looks {
				if news := d.see(l.at, l.up); news != l.news || d.told != l.told || d.deadline() != l.deadline {
					t.Errorf("%d: news %v, told %v, deadline %d, want %v, %v, %d", i, news, d.told, d.deadline(), l.news, l.told, l.deadline)
				}
			}
		})
	}
}

func TestDamperFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wake, level, j := make(chan struct{}), true, newJournal()
		done := make(chan struct{})
		d := newDamper(2*time.Second, time.Second)
		go func() {
			defer close(done)
			d.follow(ctx, wake, func() bool { return level }, func(up bool) { j.add("%v", up) })
		}()
		put := func(up bool) { synctest.Wait(); level = up; wake <- struct{}{} }
		synctest.Wait()
		put(false)
		pass(500 * time.Millisecond)
		put(true)
		pass(10 * time.Second)
		put(false)
		pass(3 * time.Second)
		put(true)
		pass(3 * time.Second)
		j.expect(t, "0s true", "11.5s false", "15.5s true")
		put(false)
		cancel()
		<-done
		pass(5 * time.Second)
		j.expect(t)
	})
}
