package vrrp

import "strconv"

// State is where a router stands in the election: the three states of RFC 9568
// section 6.4, and Fault, which is Initialize with a reason that ends by itself.
type State uint8

const (
	Initialize State = iota // not taking part: Run has not begun, waits out the startup delay, or has ended
	Backup                  // listens, and waits for the Active router to fall silent
	Active                  // holds the virtual addresses and advertises
	Fault                   // cannot hold the addresses; see [Status] for why
)

var stateNames = [...]string{Initialize: "initialize", Backup: "backup", Active: "active", Fault: "fault"}

// String returns the state in lower case.
func (s State) String() string { return name(stateNames[:], uint8(s), "State") }

// MarshalText returns [State.String].
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Family is the address family of a virtual router. Routers of different
// families never hear each other, even with one VRID.
type Family uint8

const (
	IPv4 Family = 4 // addresses of 4 bytes
	IPv6 Family = 6 // addresses of 16 bytes, the first one link-local
)

// String returns "ipv4" or "ipv6".
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return name(nil, uint8(f), "Family")
}

// MarshalText returns [Family.String].
func (f Family) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// name looks a value up; one that has no name is shown as kind(number).
func name(names []string, v uint8, kind string) string {
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return kind + "(" + strconv.Itoa(int(v)) + ")"
}
