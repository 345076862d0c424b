package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// The errors that callers branch on. All but [ErrOverdue] arrive wrapped, by
// [Manager] with the operation named, by [HTTP] in a [*CheckError].
var (
	// ErrDuplicate is in the error of [Manager.Add] for a (group, id) that is
	// there already.
	ErrDuplicate = errors.New("duplicate target")
	// ErrClosed is in every error that comes of the manager's having stopped;
	// errors.Is(err, net.ErrClosed) holds too.
	ErrClosed = fmt.Errorf("manager stopped: %w", net.ErrClosed)
	// ErrOverdue is the failure of a check that did not return when its
	// deadline had passed; errors.Is(err, context.DeadlineExceeded) holds too.
	ErrOverdue = fmt.Errorf("healthcheck: checker did not return: %w", context.DeadlineExceeded)
	// ErrMalformed is in the error of [HTTP] for an answer that is not HTTP/1.
	ErrMalformed = errors.New("not an HTTP/1 answer")
	// ErrTooLong is in the error of [HTTP] for an answer whose header or body
	// is longer than allowed.
	ErrTooLong = errors.New("too long")

	errNoStatus = errors.New("healthcheck: checker returned no status")
	errHeldUp   = errors.New("healthcheck: this process was held up: the timeout does not count")
)

// CheckError is the error of a check by [TCP] or [HTTP]. Err says what was
// wrong: a system error such as ECONNREFUSED, context.DeadlineExceeded,
// [ErrMalformed], [ErrTooLong], io.ErrUnexpectedEOF or a [*StatusError].
type CheckError struct {
	Checker string // "tcp" or "http"
	Addr    string // the target's address
	Step    string // what was being done: "connect", "send the request", "read the header", "read the body", "status"
	Err     error  // what was wrong
}

// Error names the checker, the address, the step and what was wrong.
func (e *CheckError) Error() string {
	return "healthcheck: " + e.Checker + " " + e.Addr + ": " + e.Step + ": " + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *CheckError) Unwrap() error { return e.Err }

// StatusError is the error of [HTTP] for an answer with a status it does not
// accept.
type StatusError struct {
	Code int // as received
}

// Error names the status.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d is not accepted", e.Code) }

// stepError returns the result of a check by checker that stopped at step. What
// a connection says when its time is up is told as a timeout, or as the
// cancellation that ended ctx.
func stepError(ctx context.Context, checker string, t Target, step string, err error) Result {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = timeoutError{}
		if errors.Is(ctx.Err(), context.Canceled) {
			err = context.Canceled
		}
	}
	return ResultOf(&CheckError{Checker: checker, Addr: t.Addr, Step: step, Err: err})
}

// timeoutError is context.DeadlineExceeded in plain words.
type timeoutError struct{}

func (timeoutError) Error() string { return "timed out" }
func (timeoutError) Unwrap() error { return context.DeadlineExceeded }
