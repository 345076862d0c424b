package relay

import (
	"net/netip"
	"time"
)

// A Record tells how one connection went.
type Record struct {
	Client  netip.AddrPort // who connected
	Group   string         // the service's name
	Backend string         // the destination's ID; empty when none was reached
	Addr    netip.AddrPort // the destination's address
	Tries   int            // destinations it was offered to
	Start   time.Time      // when it was accepted
	Connect time.Duration  // from then until a destination answered, or none did
	Total   time.Duration  // from then until the end
	In      uint64         // bytes from the client that were handed to the destination
	Out     uint64         // bytes from the destination that were handed to the client
	Reason  Reason         // how it ended
	Err     error          // what the system said, where there is more to say than the reason
}

// A Reason is why a connection ended.
type Reason uint8

// Only a Finished connection ended as its two sides wanted. All others are reset on both sides, so that neither takes a
// stream that was cut for one that is complete.
const (
	Finished   Reason = iota // both sides ended their streams
	ClientLost               // the client reset it, or cannot be reached any more
	ServerLost               // the destination reset it, or cannot be reached any more
	Idle                     // nothing moved for the idle timeout
	NoDest                   // the service had no destination for it
	NoConnect                // no destination that it was offered to took it
	Limited                  // there were as many connections as allowed
	Forced                   // by Relay.Close, or when the time of Relay.Shutdown was up
	reasons
)

var reasonNames = [reasons]string{
	Finished: "finished", ClientLost: "client_lost", ServerLost: "server_lost", Idle: "idle",
	NoDest: "no_dest", NoConnect: "no_connect", Limited: "limited", Forced: "forced",
}

// String returns the reason as logs, snapshots and metrics show it, as in "client_lost".
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// MarshalText writes what String returns.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
