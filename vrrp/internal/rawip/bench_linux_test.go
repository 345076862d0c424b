package rawip

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/cable"
	"golang.org/x/sys/unix"
)

// TestCost prints the CPU time that an advert costs this process. It asserts
// nothing. (A benchmark cannot enter a namespace.)
func TestCost(t *testing.T) {
	if testing.Short() || testing.CoverMode() != "" {
		t.Skip("measures")
	}
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, family := range []int{4, 6} {
		for _, n := range []int{1, 8, 32} {
			s, far := openSocket(t, config(family, cable.Near)), openFar(t, c, config(family, cable.Far))
			d, in := make([]Datagram, n), make([]Datagram, n)
			for i := range d {
				d[i] = batch(family)[0]
			}
			var sending, receiving time.Duration
			const rounds = 2000
			for range rounds {
				t0 := threadTime(t)
				if err := s.Send(d); err != nil {
					t.Fatal(err)
				}
				t1 := threadTime(t)
				for k := 0; k < n; {
					m, err := far.Receive(in)
					if err != nil {
						t.Fatal(err)
					}
					k += m
				}
				sending, receiving = sending+t1-t0, receiving+threadTime(t)-t1
			}
			per := func(d time.Duration) string {
				return fmt.Sprintf("%.2f µs", float64(d.Nanoseconds())/1e3/rounds/float64(n))
			}
			t.Logf("IPv%d, %2d at once: sent for %s (the other end's stack included), received for %s", family, n, per(sending), per(receiving))
		}
	}
}

// threadTime is the CPU time of the calling thread.
func threadTime(t *testing.T) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
