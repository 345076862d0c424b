//go:build !unix || aix

package vrrp

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

func openFIFO(string, bool) (*os.File, error) {
	return nil, fmt.Errorf("no named pipes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func writeFIFO(*os.File, string, time.Duration) error { return errors.ErrUnsupported }
