package scarce

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestIs(t *testing.T) {
	for i, number := range numbers {
		wrapped := fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", number)})
		if !Is(wrapped) {
			t.Errorf("Is(%v) = false for number %d of the list", wrapped, i)
		}
	}
	for _, err := range []error{nil, errors.New("too many open files"), syscall.ECONNREFUSED, syscall.ETIMEDOUT, syscall.EPIPE, os.ErrDeadlineExceeded} {
		if Is(err) {
			t.Errorf("Is(%v) = true", err)
		}
	}
}
