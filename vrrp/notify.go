package vrrp

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// The words of keepalived for what a notification tells.
const (
	wordMaster         = "MASTER"
	wordBackup         = "BACKUP"
	wordFault          = "FAULT"
	wordStop           = "STOP"
	wordMasterRxLower  = "MASTER_RX_LOWER_PRI"
	wordMasterPriority = "MASTER_PRIORITY"
	wordBackupPriority = "BACKUP_PRIORITY"
)

// stateWord is what a transition to a state is called. Nothing leads to
// Initialize but the end of Run.
func stateWord(to State) string {
	switch to {
	case Active:
		return wordMaster
	case Backup:
		return wordBackup
	case Fault:
		return wordFault
	}
	return wordStop
}

// NotifyOption configures [ExecNotify] or [FIFONotify].
type NotifyOption func(*notifyConfig)

type notifyConfig struct {
	name    string
	group   bool
	log     *slog.Logger
	scripts map[string][]string // by word, "" is the generic one
	timeout time.Duration
	user    string
	groupID string
	env     []string
	create  bool
	wait    time.Duration

	forExec, forFIFO []string // options used that the other kind does not take
}

// NotifyGroup says that the name is that of a sync group: the word is GROUP
// instead of INSTANCE, and the priority is 0.
func NotifyGroup() NotifyOption { return func(c *notifyConfig) { c.group = true } }

// NotifyLogger sets the logger; default none. A script's output is logged at
// Info, line by line, a failed notification at Error.
func NotifyLogger(log *slog.Logger) NotifyOption {
	return func(c *notifyConfig) {
		if log != nil {
			c.log = log
		}
	}
}

// newNotifyConfig applies the options and reports every problem.
func newNotifyConfig(name string, opts []NotifyOption) (*notifyConfig, error) {
	c := &notifyConfig{
		name: name, log: slog.New(slog.DiscardHandler), scripts: map[string][]string{},
		timeout: 30 * time.Second, wait: time.Second,
	}
	errs := []error{option.Apply(c, opts)}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if name == "" || len(name) > maxNotifyName || strings.ContainsFunc(name, func(r rune) bool { return r == '"' || unicode.IsControl(r) }) {
		bad("a name of 1 to %d bytes without quotes and control characters is needed", maxNotifyName)
	}
	if c.timeout <= 0 {
		bad("timeout %v is not positive", c.timeout)
	}
	if c.wait < 0 {
		bad("wait %v is negative", c.wait)
	}
	for _, e := range c.env {
		if k, _, ok := strings.Cut(e, "="); !ok || k == "" || strings.ContainsRune(e, 0) {
			bad("%q is not KEY=value", e)
		}
	}
	return c, errors.Join(errs...)
}

// maxNotifyName keeps a line of a FIFO below the least size that POSIX lets a
// pipe write whole, 512 bytes.
const maxNotifyName = 255

// refuse reports options of the other kind.
func refuse(names []string, kind string) error {
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("%s: not for %s", strings.Join(slices.Compact(names), ", "), kind)
}

// fields are what tells keepalived's scripts and readers who and what.
func (c *notifyConfig) fields(word string, priority uint8) (kind, name, state, prio string) {
	if c.group {
		return "GROUP", c.name, word, "0"
	}
	return "INSTANCE", c.name, word, strconv.Itoa(int(priority))
}

// NotifyStatus counts what a notifier did.
type NotifyStatus struct {
	Name     string `json:"name"`     // of the instance or group
	Notified uint64 `json:"notified"` // scripts that succeeded, lines written
	Errors   uint64 `json:"errors"`   // scripts that failed or took too long, lines that could not be written
	Dropped  uint64 `json:"dropped"`  // lines for which the FIFO had no room
}

// notifyStats is what a NotifyStatus shows.
type notifyStats struct{ notified, errors, dropped atomic.Uint64 }

func (s *notifyStats) status(name string) NotifyStatus {
	return NotifyStatus{name, s.notified.Load(), s.errors.Load(), s.dropped.Load()}
}

// observer remembers the [Status] that it saw last.
type observer struct {
	seen bool
	last Status
}

// observe returns the words for what happened between two looks and was no
// transition.
func (o *observer) observe(s Status) (words []string) {
	was, seen := o.last, o.seen
	o.last, o.seen = s, true
	if !seen || was.State != s.State {
		return nil
	}
	changed := was.EffectivePriority != s.EffectivePriority
	switch {
	case s.State == Active && changed:
		words = append(words, wordMasterPriority)
	case s.State == Backup && changed:
		words = append(words, wordBackupPriority)
	}
	if s.State == Active && s.Statistics.LosingAdverts > was.Statistics.LosingAdverts {
		words = append(words, wordMasterRxLower)
	}
	return words
}
