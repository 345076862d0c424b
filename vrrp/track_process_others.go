//go:build !linux

package vrrp

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func trackProcess(context.Context, ProcessSpec, func(up bool)) error {
	return fmt.Errorf("processes cannot be followed on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
