package ratelimit

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

type counter struct{ n atomic.Int64 }

func (c *counter) add()       { c.n.Add(1) }
func (c *counter) get() int64 { return c.n.Load() }

// barrier lets n goroutines start each round together.
type barrier struct {
	n       int64
	arrived atomic.Int64
}

func (b *barrier) wait(round int64) {
	b.arrived.Add(1)
	for b.arrived.Load() < (round+1)*b.n {
		runtime.Gosched()
	}
}
