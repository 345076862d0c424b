//go:build !linux

package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

func listen(context.Context, string, func([]byte, netip.Addr, netip.Addr, uint8, bool)) error {
	return fmt.Errorf("not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
