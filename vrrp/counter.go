package vrrp

// resultCounter counts results as keepalived's vrrp_script does. r goes from 0
// to rise+fall-1; the object is up where r is rise or more. Only results in a
// row count: one success undoes every failure before it, and the reverse.
type resultCounter struct {
	rise, fall int // 1 or more
	r          int
	known      bool // there was a result, or the object began as down (init_fail)
}

// newResultCounter returns a counter without a result: the first one decides,
// either way. With down it is down already, and rise successes bring it up.
func newResultCounter(rise, fall int, down bool) resultCounter {
	if down {
		return resultCounter{rise: rise, fall: fall, known: true}
	}
	return resultCounter{rise: rise, fall: fall, r: rise - 1}
}

// up tells the state, once it is known.
func (c resultCounter) up() bool { return c.r >= c.rise }

// next returns the counter after one more result.
func (c resultCounter) next(success bool) resultCounter {
	switch c.known = true; {
	case success && c.r < c.rise-1:
		c.r++
	case success:
		c.r = c.rise + c.fall - 1
	case c.r > c.rise:
		c.r--
	default:
		c.r = 0
	}
	return c
}
