// Package bench is what the measuring programs share: a laboratory without a
// test, figures of processes, and tables.
package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

// program is a lab.T for a program.
type program struct {
	ctx     context.Context
	mu      sync.Mutex // guards cleanup
	cleanup []func()
}

// Main runs f with what a laboratory needs, and cleans up. It does not return if
// f fails. Ctrl-C ends f's laboratory.
func Main(f func(t lab.T)) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "needs network namespaces: run it as root, or below: unshare -Ur")
		os.Exit(2)
	}
	// A thread in a plain system call keeps its scheduling slot for a while, and
	// the laboratory has many such threads.
	runtime.GOMAXPROCS(max(16, runtime.NumCPU()))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{ctx: ctx}
	defer p.end()
	f(p)
}

func (p *program) Helper()                  {}
func (p *program) Context() context.Context { return p.ctx }

func (p *program) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (p *program) Fatalf(format string, args ...any) {
	p.Logf(format, args...)
	p.end()
	os.Exit(1)
}

func (p *program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanup = append(p.cleanup, f)
}

func (p *program) TempDir() string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		p.Fatalf("%v", err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (p *program) end() {
	for {
		p.mu.Lock()
		n := len(p.cleanup)
		if n == 0 {
			p.mu.Unlock()
			return
		}
		f := p.cleanup[n-1]
		p.cleanup = p.cleanup[:n-1]
		p.mu.Unlock()
		f()
	}
}

// Contender is a program that is measured.
type Contender struct {
	Name string
	lab.Program
}

// Contenders are ours, built now, and keepalived, or those of the names.
func Contenders(t lab.T, names []string) []Contender {
	var out []Contender
	for _, name := range names {
		switch name {
		case "mainstay":
			path := os.Getenv("VRRPD")
			if path == "" {
				path = lab.Build(t, "github.com/mainstay-ha/mainstay/examples/vrrpd")
			}
			out = append(out, Contender{name, lab.VRRPd{Path: path, Args: []string{"-log-level=error"}}})
		case "keepalived":
			out = append(out, Contender{name, lab.Keepalived{Quiet: true}})
		default:
			t.Fatalf("no such program: %s (mainstay, keepalived)", name)
		}
	}
	return out
}

// Sleep waits, and fails if the program is asked to end meanwhile.
func Sleep(t lab.T, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatalf("interrupted")
	}
}

// SomePhase waits for a random part of an interval.
func SomePhase(t lab.T, interval time.Duration) { Sleep(t, rand.N(interval)) }

// Spread is the least, the middle and the greatest of some figures.
type Spread []float64

// String shows milliseconds.
func (s Spread) String() string {
	if len(s) == 0 {
		return "-"
	}
	v := slices.Sorted(slices.Values(s))
	return fmt.Sprintf("%.2f / %.2f / %.2f", v[0], (v[(len(v)-1)/2]+v[len(v)/2])/2, v[len(v)-1])
}

// Add adds a duration.
func (s *Spread) Add(d time.Duration) { *s = append(*s, float64(d)/1e6) }
