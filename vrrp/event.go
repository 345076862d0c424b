package vrrp

import (
	"net/netip"
	"time"
)

// Transition is one change of state of one router.
type Transition struct {
	Seq      uint64         `json:"seq"`                // 1, 2, 3... over the life of the Router; a gap means that callbacks coalesced
	Time     time.Time      `json:"time"`               // wall clock
	VRID     uint8          `json:"vrid"`               // 0 for a Group as a whole
	Group    string         `json:"group,omitempty"`    // of the router, if it is in one
	From     State          `json:"from"`               //
	To       State          `json:"to"`                 //
	Reason   Reason         `json:"reason"`             //
	Priority uint8          `json:"effective-priority"` // at that moment
	Peer     netip.AddrPort `json:"peer,omitzero"`      // the speaker that caused it, if one did
	Err      error          `json:"-"`                  // the cause of ReasonFault or ReasonLost, nil otherwise
}

// Reason tells why a transition happened.
type Reason uint8

const (
	ReasonNone           Reason = iota // nothing has happened yet
	ReasonStartup                      // Initialize to Backup: Run began
	ReasonOwner                        // Initialize to Active: priority 255 does not wait
	ReasonNoResponse                   // Backup to Active: the Active router fell silent
	ReasonResigned                     // Backup to Active: the Active router sent priority 0
	ReasonPreempt                      // Backup to Active: only lower priorities advertised
	ReasonPreemptDelay                 // Backup to Active: as ReasonPreempt, when the preempt delay ended
	ReasonHigherPriority               // Active to Backup: a higher priority was heard
	ReasonHigherAddress                // Active to Backup: the same priority was heard from a higher address
	ReasonYield                        // Active to Backup: Router.Yield
	ReasonShutdown                     // to Initialize: the context of Run ended
	ReasonLost                         // to Initialize: the transport failed
	ReasonFault                        // to Fault
	ReasonRecovered                    // Fault to Backup: the last fault went away
	ReasonStalled                      // Active to Backup: held up for longer than the down interval
	ReasonGroup                        // the sync group decided: another member was the cause
)

var reasonNames = [...]string{
	ReasonNone: "none", ReasonStartup: "startup", ReasonOwner: "owner", ReasonNoResponse: "no-response",
	ReasonResigned: "resigned", ReasonPreempt: "preempt", ReasonPreemptDelay: "preempt-delay",
	ReasonHigherPriority: "higher-priority", ReasonHigherAddress: "higher-address", ReasonYield: "yield",
	ReasonShutdown: "shutdown", ReasonLost: "lost", ReasonFault: "fault", ReasonRecovered: "recovered",
	ReasonStalled: "stalled", ReasonGroup: "group",
}

// String returns the reason in lower case, words joined by hyphens.
func (r Reason) String() string { return name(reasonNames[:], uint8(r), "Reason") }

// MarshalText returns [Reason.String].
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// event is what happens to a machine. The fields after kind belong to the kinds
// named beside them.
type event struct {
	kind     eventKind
	priority uint8          // evAdvert
	from     netip.AddrPort // evAdvert
	interval time.Duration  // evAdvert: Max Advertise Interval
	fault    faultSet       // evFault, evClear
	retry    bool           // evFault: clear it after a down interval
	settings settings       // evSettings
	delta    int            // evTrack: what the trackers add to the priority
	down     bool           // evTrack: a tracker of weight 0 is down, or not known yet
	late     time.Duration  // evStalled: how late the driver was
	concede  bool           // evLeave: to the better speaker it has seen
}

type eventKind uint8

const (
	evTick     eventKind = iota // the deadline has come
	evStart                     // Startup of RFC 9568
	evShutdown                  // Shutdown of RFC 9568
	evLost                      // nothing can be sent any more
	evAdvert                    // a valid advertisement was received
	evYield                     // give the addresses to somebody else
	evResume                    // compete again after evYield
	evFault
	evClear
	evSettings
	evInstalled // the addresses are held: neighbours may be told
	evTrack     // the trackers' verdict
	evStalled   // the driver was held up, or the host slept
	evNeighbors // neighbours may have forgotten the addresses: the link came back, an address was restored
	evIdentity  // this speaker's identity is from now
	evTake      // within a cluster: be Active
	evLeave     // within a cluster: be a Backup
)

// action is what a machine asks of its driver. Actions are performed in order.
type action struct {
	kind     actionKind
	member   int            // of a group, else 0
	priority uint8          // actSend: of the advert; actTransition: effective
	from, to State          // actTransition
	reason   Reason         // actTransition
	peer     netip.AddrPort // actTransition, actWarn: who caused it
	warning  warning        // actWarn
}

type actionKind uint8

const (
	actSend actionKind = iota
	actInstall
	actRemove
	actTransition
	actWarn
	actAnnounce // tell the neighbours once about every address
)

// warning is something an operator should know that changes nothing.
type warning uint8

const (
	warnEqualPriority warning = iota // both may promote at the same time
	warnOwnerConflict                // two speakers say they own the addresses
	warnLosing                       // while Active, a lower speaker advertises: a split ended
	warnDuplicate                    // a speaker has our own identity
	warnInterval                     // advertisement intervals differ
	warnAddressList                  // virtual addresses differ
	warnStalled                      // this router was held up for longer than its down interval
	warnOneWay                       // a speaker does not hear us: it goes on with a lower claim
	warnDuplicateVRID                // a speaker with our VRID has none of our addresses
	warnings
)

var warningTexts = [warnings]string{
	warnEqualPriority: "a peer advertises our own priority",
	warnOwnerConflict: "a peer also says it owns the addresses",
	warnLosing:        "a peer with a lower claim advertises",
	warnDuplicate:     "a peer has our own address",
	warnInterval:      "advertisement intervals differ",
	warnAddressList:   "virtual addresses differ",
	warnStalled:       "this router was held up for longer than its down interval",
	warnOneWay:        "a peer does not hear our advertisements",
	warnDuplicateVRID: "a peer with our VRID has none of our addresses",
}
