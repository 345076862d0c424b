package healthcheck

import (
	"runtime"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// perTarget returns the bytes of heap that a target takes in a manager that
// knows a verdict of each, names not counted.
func perTarget(t testing.TB, targets int) float64 {
	names := make([]string, targets)
	for i := range names {
		names[i] = testName(i)
	}
	check := CheckerFunc(pass)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m, err := New(WithMaxSpread(0), WithConcurrency(64))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := m.Add(Target{Addr: name}, check, Policy{}); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{Manager: m}
	stop := r.runFor(t)
	if err := m.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(m.targets) != targets {
		t.Fatal("targets lost")
	}
	runtime.KeepAlive(names)
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(targets)
}

// TestMemoryPerTarget is the gate of 600 bytes a target.
func TestMemoryPerTarget(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector takes memory of its own")
	}
	got := perTarget(t, 20_000)
	t.Logf("%.0f bytes a target", got)
	if got > 600 {
		t.Errorf("%.0f bytes a target, want 600 at most", got)
	}
}

// BenchmarkMemory reports the bytes a target takes.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(perTarget(b, 100_000), "B/target")
	}
}

func passes(m *Manager) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.totals.passes
}

// BenchmarkManager runs 100,000 targets at 5 s for a while, with a checker that
// does nothing, and reports what share of a core the whole process takes: the
// scheduling, a goroutine and a context for each check.
func BenchmarkManager(b *testing.B) {
	m, err := New(WithMaxSpread(5 * time.Second))
	if err != nil {
		b.Fatal(err)
	}
	check := CheckerFunc(pass)
	for i := range 100_000 {
		if _, err := m.Add(Target{Addr: testName(i)}, check, Policy{}); err != nil {
			b.Fatal(err)
		}
	}
	r := &rig{Manager: m}
	stop := r.runFor(b)
	defer stop()
	if err := m.WaitReady(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		begin, used, checks := time.Now(), cpuTime(), passes(m)
		<-time.After(5 * time.Second)
		share := (cpuTime() - used).Seconds() / time.Since(begin).Seconds()
		rate := float64(passes(m)-checks) / time.Since(begin).Seconds()
		b.ReportMetric(100*share, "%core")
		b.ReportMetric(rate, "checks/s")
	}
}
