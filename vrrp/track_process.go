package vrrp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ProcessSpec says which processes [TrackProcess] counts, and how many of them
// there are to be (vrrp_track_process).
type ProcessSpec struct {
	// Name is the name of the process, as /proc/PID/comm has it: that of its
	// program, without the directory, at most 15 bytes, unless the process has
	// given itself another. It is compared exactly.
	Name string

	// FullCommand compares Name with the first word of the command line
	// instead, of any length: the program as it was called, or the title that
	// the process shows (full_command).
	FullCommand bool

	// Params are compared with the words of the command line after the first,
	// as ParamMatch says. Default: they are not looked at.
	Params     []string
	ParamMatch ParamMatch

	Min int // up wants as many processes (quorum); default 1
	Max int // and no more (quorum_max); default 0: any number

	// ForkDelay is how long the number has to be right without a break before
	// that is told, TerminateDelay how long it has to be wrong; 0 or more,
	// default 0. They hide the child of a counted process that is about to run
	// another program, and a restart.
	ForkDelay, TerminateDelay time.Duration

	// Interval is the time between two looks at all processes where the kernel
	// does not tell what happens to them; default 1s.
	Interval time.Duration

	// RequireEvents returns the error of the kernel instead of looking at an
	// interval.
	RequireEvents bool

	// Logger is told where the kernel's events are not to be had; default none.
	Logger *slog.Logger
}

// ParamMatch tells how the parameters of a process are compared (param_match).
type ParamMatch uint8

const (
	ParamsExact   ParamMatch = iota // they are those of the ProcessSpec, if it has any
	ParamsPartial                   // they begin with those of the ProcessSpec (partial)
	ParamsInitial                   // likewise, and the last of those may go on (initial)
	ParamsNone                      // there are none (a param_match without parameters)
)

var paramMatchNames = [...]string{ParamsExact: "exact", ParamsPartial: "partial", ParamsInitial: "initial", ParamsNone: "none"}

// String returns the name in lower case.
func (m ParamMatch) String() string { return name(paramMatchNames[:], uint8(m), "ParamMatch") }

// TrackProcess tells set whether as many processes run as spec says, until ctx
// ends: once when it has counted, then whenever that changes.
//
//	nginx, err := router.Track("nginx", 0)
//	go vrrp.TrackProcess(ctx, vrrp.ProcessSpec{Name: "nginx"}, nginx.Set)
//
// It counts the processes of every user that /proc shows (a mount option may
// hide those of others), this one too; zombies do not count. The kernel's
// process events connector tells it of changes within milliseconds; that takes
// CAP_NET_ADMIN before Linux 6.6, and the first user and PID namespace.
// Elsewhere, as in most containers, it looks at all processes every Interval
// instead. A look costs about 7 µs a process (BenchmarkProcessScan). With
// events there is one for every process that starts, and one at all of them
// once a minute and when events were lost.
//
// set is called in the goroutine of TrackProcess, in order, and not after it
// has returned. Where it is slow, it is told the latest. The error is nil when
// ctx has ended. It is there at once for a bad spec, without a readable /proc,
// where it wraps [errors.ErrUnsupported] on systems other than Linux, and
// without events under RequireEvents.
func TrackProcess(ctx context.Context, spec ProcessSpec, set func(up bool)) error {
	err := spec.validate(set)
	if err == nil {
		err = trackProcess(ctx, spec, set)
	}
	if err != nil {
		return fmt.Errorf("vrrp: track process %q: %w", spec.Name, err)
	}
	return nil
}

// commLen is what the kernel keeps of a name: TASK_COMM_LEN, less the NUL.
const commLen = 15

// validate refuses what can never be, and fills the defaults in.
func (s *ProcessSpec) validate(set func(bool)) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Name == "" {
		bad("a name is needed")
	}
	if len(s.Name) > commLen && !s.FullCommand {
		bad("a name has at most %d bytes, as in %q: use that, or FullCommand", commLen, s.Name[:commLen])
	}
	switch s.ParamMatch {
	case ParamsExact:
	case ParamsPartial, ParamsInitial:
		if len(s.Params) == 0 {
			bad("parameters are needed for match %v", s.ParamMatch)
		}
	case ParamsNone:
		if len(s.Params) > 0 {
			bad("parameters, and a match that wants none")
		}
	default:
		bad("%v is no match", s.ParamMatch)
	}
	if s.Min == 0 {
		s.Min = 1
	}
	if s.Min < 0 || s.Max < 0 || s.Max > 0 && s.Max < s.Min {
		bad("no number of processes is between %d and %d", s.Min, s.Max)
	}
	if s.Interval == 0 {
		s.Interval = time.Second
	}
	for _, d := range []time.Duration{s.ForkDelay, s.TerminateDelay, s.Interval} {
		if d < 0 {
			bad("%v is negative", d)
		}
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if set == nil {
		bad("set is nil")
	}
	return errors.Join(errs...)
}

// right tells whether n processes are enough, and not too many.
func (s *ProcessSpec) right(n int) bool { return n >= s.Min && (s.Max == 0 || n <= s.Max) }
