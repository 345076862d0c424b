//go:build !unix || aix

package vrrp

import (
	"errors"
	"fmt"
	"runtime"
)

// execConfig has nothing to say where programs cannot be run as they should.
type execConfig struct{}

func newExecConfig(*notifyConfig) (execConfig, error) {
	return execConfig{}, fmt.Errorf("no process groups on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (execConfig) run([]string, *lineLog) error { return errors.ErrUnsupported }
