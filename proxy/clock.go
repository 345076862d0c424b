package proxy

import "time"

// clock counts monotonic nanoseconds since its base. It lives in the Proxy, so that a test's bubble has its own.
type clock struct{ base time.Time }

func newClock() *clock { return &clock{base: time.Now()} }

// now is the current instant.
func (c *clock) now() int64 { return int64(time.Since(c.base)) }

// at turns an instant into the time that deadlines are given in.
func (c *clock) at(t int64) time.Time { return c.base.Add(time.Duration(t)) }
