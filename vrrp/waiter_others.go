//go:build !linux

package vrrp

import (
	"errors"
	"fmt"
	"runtime"
)

const hasPollWaiter = false

func newPollWaiter() (waiter, error) {
	return nil, fmt.Errorf("an event loop of descriptors on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
