package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Target is one backend to check.
type Target struct {
	// Group is the pool or service the backend belongs to; default "default".
	Group string
	// ID is the backend's name, unique in its group; default Addr.
	ID string
	// Addr is what the checker connects to: "10.0.0.1:80", "[2001:db8::1]:80"
	// or "name:80". A name is looked up by the dialer at every check, within
	// the check's timeout; give every address of a name a target of its own
	// when each is to be judged. Required by [TCP] and [HTTP]; a checker that
	// needs no address may leave it empty, and then ID is required.
	Addr string
}

// String returns "group/id", as the target is named in errors.
func (t Target) String() string { return t.Group + "/" + t.ID }

func (t Target) withDefaults() Target {
	if t.Group == "" {
		t.Group = "default"
	}
	if t.ID == "" {
		t.ID = t.Addr
	}
	return t
}

// A Checker performs one check. One checker may serve any number of targets:
// Check is called from many goroutines at once, though never twice at a time
// for one target.
//
// The context carries the check's one absolute deadline and ends early when the
// target is removed or the manager stops. Check must return soon after: until
// it does, the target is not checked again and the check holds one of the
// places that [WithConcurrency] counts. A checker that stays more than half a
// timeout too long has failed, once for every interval until it returns.
//
// A checker that also has a method Validate(Target) error has it called by
// [Manager.Add], which refuses the target on an error.
type Checker interface {
	Check(ctx context.Context, t Target) Result
}

// CheckerFunc makes a function a [Checker].
type CheckerFunc func(ctx context.Context, t Target) Result

// Check calls f.
func (f CheckerFunc) Check(ctx context.Context, t Target) Result { return f(ctx, t) }

// validator is the optional part of a [Checker].
type validator interface {
	Validate(t Target) error
}

// Status is the verdict of one check.
type Status uint8

// The verdicts. The zero Status is none of them and counts as Fail.
const (
	// Pass: the target answered as it should.
	Pass Status = iota + 1
	// Fail: it did not.
	Fail
	// Local: the check could not be carried out, for a reason of this machine
	// (no descriptor or port left) or because it was called off. It says
	// nothing about the target and changes nothing.
	Local
)

// String returns "pass", "fail" or "local".
func (s Status) String() string {
	switch s {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	case Local:
		return "local"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Result is what one check found out.
type Result struct {
	Status Status
	// Err says what was wrong when Status is Fail or Local.
	Err error
	// Took is how long the answer took. The manager fills in the duration of
	// the call when it is 0.
	Took time.Duration
	// Info is a word about the answer for people, such as "200 OK"; may be empty.
	Info string
}

// ResultOf turns the error of a check into its Result: Pass for nil, Local for
// an error of this machine (see [Local]: too many open files, no buffers, no
// local port or address, a resolver that does not answer, a cancelled context),
// Fail for anything else, a deadline among them.
//
//	healthcheck.CheckerFunc(func(ctx context.Context, _ healthcheck.Target) healthcheck.Result {
//		return healthcheck.ResultOf(db.PingContext(ctx))
//	})
func ResultOf(err error) Result {
	switch {
	case err == nil:
		return Result{Status: Pass}
	case errors.Is(err, context.Canceled), local(err):
		return Result{Status: Local, Err: err}
	}
	return Result{Status: Fail, Err: err}
}
