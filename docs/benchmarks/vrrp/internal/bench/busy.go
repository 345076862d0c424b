package bench

import (
	"runtime"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

// Busy keeps every core busy, by one process each that never pauses, until the
// laboratory ends.
func Busy(h *lab.Host) {
	for range runtime.NumCPU() {
		h.Start("sh", "-c", "while :; do :; done")
	}
}
