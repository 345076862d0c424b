//go:build unix && !aix

package vrrp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openFIFO opens a named pipe for reading, too: so it never waits for a reader,
// and never breaks for want of one.
func openFIFO(path string, create bool) (*os.File, error) {
	if create {
		if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, &fs.PathError{Op: "mkfifo", Path: path, Err: err}
		}
	}
	// Before it is opened, since opening a device may do something to it.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeNamedPipe == 0 {
		return nil, fmt.Errorf("%s is no named pipe (%v)", path, info.Mode())
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
}

// writeFIFO writes a line at once, or as soon as there is room for it. It
// returns [os.ErrDeadlineExceeded] if that takes longer than wait.
func writeFIFO(f *os.File, line string, wait time.Duration) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	// First without a deadline: one that this process was held up beyond would
	// drop a line that there is room for.
	var full error
	if err := conn.Control(func(fd uintptr) { _, full = unix.Write(int(fd), []byte(line)) }); err != nil {
		return err
	}
	switch {
	case full == nil:
		return nil
	case full != unix.EAGAIN && full != unix.EINTR:
		return os.NewSyscallError("write", full)
	case wait == 0 || f.SetWriteDeadline(time.Now().Add(wait)) != nil: // or a system whose poller knows no pipes
		return os.ErrDeadlineExceeded
	}
	_, err = f.WriteString(line)
	return err
}
