package lvs

import "strconv"

// Protocol is the transport protocol of a [Service], by its IP protocol number.
type Protocol uint8

// The protocols that a service can have. What a [Plane] carries of them is in its [Capabilities].
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

// String returns the lower-case name that [net.Dial] and ipvsadm use, or the number.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return "protocol " + strconv.Itoa(int(p))
}

// MarshalText writes the name, so that JSON shows "tcp" and not 6.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p Protocol) valid() bool { return p == TCP || p == UDP || p == SCTP }
