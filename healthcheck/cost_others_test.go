//go:build !unix

package healthcheck

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
