//go:build !linux

package rawip

import (
	"errors"
	"fmt"
	"runtime"
)

// Socket is not there.
type Socket struct{}

// Open returns an error that wraps [errors.ErrUnsupported].
func Open(Config) (*Socket, error) {
	return nil, fmt.Errorf("IP protocol 112: not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (s *Socket) FD() int                         { return -1 }
func (s *Socket) Receive([]Datagram) (int, error) { return 0, errors.ErrUnsupported }
func (s *Socket) Send([]Datagram) error           { return errors.ErrUnsupported }
func (s *Socket) SetVRIDs(vrids [4]uint64) error  { return errors.ErrUnsupported }
func (s *Socket) Overflows() uint64               { return 0 }
func (s *Socket) Close() error                    { return nil }
