package vrrp

// DropReason tells why a received packet was not used. It is an error, and the
// key of the drop counters of [Status].
type DropReason uint8

// The reasons, in the order in which a packet is checked. None of them moves
// the state machine or a timer.
const (
	_                 DropReason = iota
	DropPeer                     // the sender is not a listed peer
	DropSelf                     // the sender is this router
	DropOverflow                 // packets arrive faster than they are read
	DropLength                   // shorter than a header, or not as long as its address count says
	DropVersion                  // not version 3
	DropType                     // not an advertisement
	DropVRID                     // for another virtual router
	DropHMACMissing              // a trailer is required and there is none
	DropHMACMalformed            // the trailer is of an unknown type
	DropHMACKey                  // signed with a key that is not ours
	DropHMACStale                // signed too long ago, or in the future
	DropHMACReplay               // not newer than what this speaker sent before
	DropHMAC                     // the signature is wrong
	DropChecksum                 // neither form of the checksum is right
	DropCount                    // no address (RFC 9568 erratum 8299)
	DropInterval                 // interval 0 (RFC 9568 erratum 8301)
	DropLinkLocal                // the first IPv6 address is not link-local (RFC 9568 erratum 8300)
	dropReasons
)

var dropNames = [dropReasons]string{
	DropPeer: "peer", DropSelf: "self", DropOverflow: "overflow", DropLength: "length", DropVersion: "version",
	DropType: "type", DropVRID: "vrid", DropHMACMissing: "hmac-missing", DropHMACMalformed: "hmac-malformed",
	DropHMACKey: "hmac-key", DropHMACStale: "hmac-stale", DropHMACReplay: "hmac-replay", DropHMAC: "hmac",
	DropChecksum: "checksum", DropCount: "count", DropInterval: "interval", DropLinkLocal: "link-local",
}

// String returns the reason as the drop counters name it.
func (d DropReason) String() string { return name(dropNames[:], uint8(d), "DropReason") }

// Error returns the reason after "vrrp: dropped: ".
func (d DropReason) Error() string { return "vrrp: dropped: " + d.String() }

// err returns d as an error, or nil for none. It does not allocate.
func (d DropReason) err() error {
	if d == 0 {
		return nil
	}
	return d
}
