package healthcheck

import "time"

// Event is one change of a target's state: its first result, or a change
// between up and down.
//
// Events of one target come in the order in which they happened, and events of
// a target that has been removed do not come any more. While 1,024 events wait
// for a slow receiver none is lost; past that the later event of a target
// replaces the earlier one, which is counted in [Snapshot].
type Event struct {
	// Seq numbers the events of a manager from 1, without gaps as they happen.
	Seq uint64
	// Generation numbers the targets of a manager from 1 as they are added: a
	// target that was removed and added again has a higher one, so a receiver
	// that stores it can tell a verdict on the old target from one on the new.
	Generation uint64
	Group, ID  string // of the target
	Up         bool
	// Err is the failure that took the target down; nil when Up.
	Err error
	// Time is when the deciding check ended.
	Time time.Time
}
