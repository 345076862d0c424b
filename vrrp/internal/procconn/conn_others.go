//go:build !linux

package procconn

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Conn is a subscription to the events of all processes.
type Conn struct{}

// Dial returns an error that wraps [errors.ErrUnsupported].
func Dial() (*Conn, error) {
	return nil, fmt.Errorf("procconn: no process connector on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Receive is never reached.
func (c *Conn) Receive([]Event, time.Time) (int, error) { return 0, errors.ErrUnsupported }

// Close is never reached.
func (c *Conn) Close() error { return nil }
