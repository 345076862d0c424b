package bench

import (
	"fmt"
	"time"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

// Cadence is how steadily host 1 advertised, and how often host 2 took over
// although it did.
type Cadence struct {
	Adverts   int
	Longest   time.Duration // between two adverts
	Takeovers int           // times that host 2 began to advertise
	Events    []string      // every takeover, and every gap of more than two intervals
}

// Watch looks at the adverts after a mark.
func Watch(frames []lab.Frame) Cadence {
	var c Cadence
	var last, rival time.Time
	for _, f := range frames {
		switch {
		case f.Kind != lab.Advert:
		case f.Host == 2 && f.Priority > 0:
			// One that yields again answers once before it does.
			if f.At.Sub(rival) > 2*f.Interval {
				c.Takeovers++
				c.Events = append(c.Events, fmt.Sprintf("%s takeover", f.At.Format(time.TimeOnly)))
			}
			rival = f.At
		case f.Host == 1:
			if !last.IsZero() {
				gap := f.At.Sub(last)
				c.Longest = max(c.Longest, gap)
				if gap > 2*f.Interval {
					c.Events = append(c.Events, fmt.Sprintf("%s gap of %v", f.At.Format(time.TimeOnly), gap))
				}
			}
			c.Adverts, last = c.Adverts+1, f.At
		}
	}
	return c
}
