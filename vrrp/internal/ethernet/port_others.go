//go:build !linux

package ethernet

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// Port is not there.
type Port struct{}

// Member is not there.
type Member struct{}

// Open returns an error that wraps [errors.ErrUnsupported].
func Open(Config) (*Port, error) {
	return nil, fmt.Errorf("frames of Ethernet: not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Join returns an error.
func (p *Port) Join(MAC, Families, func(Conflict)) (*Member, error) {
	return nil, errors.ErrUnsupported
}

// Close does nothing.
func (p *Port) Close() error { return nil }

// Announce returns an error.
func (m *Member) Announce([]netip.Addr) error { return errors.ErrUnsupported }

// Close does nothing.
func (m *Member) Close() {}
