package lab

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Wire sends frames out of a host's interface, as they are.
type Wire struct {
	fd, index int
}

// Wire opens an interface of the host. It is closed when the test ends.
func (h *Host) Wire(lan int) *Wire {
	h.lab.t.Helper()
	w := &Wire{}
	h.Do(func() (err error) {
		if w.index, err = indexOf(Router{LAN: lan}.Interface()); err != nil {
			return err
		}
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return os.NewSyscallError("socket", err)
	})
	h.lab.t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

// Send sends a frame. One that the interface has no room for is lost, as on any
// wire. It may be called by any goroutine.
func (w *Wire) Send(frame []byte) error {
	err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return os.NewSyscallError("sendto", err)
}
