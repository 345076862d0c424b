package vrrp

// DropReason tells why a received packet was not used. It is an error, and the
// key of the drop counters of [Status].
type DropReason uint8

// The reasons. A transport may count the first three before anything is read;
// the others, and then the first two, follow in the order in which a packet is
// checked, so one with several faults counts for the first. None of them moves
// the state machine or a timer.
const (
	_                    DropReason = iota
	DropPeer                        // unicast, and the sender is not a listed peer
	DropSelf                        // the sender is this router
	DropOverflow                    // packets arrive faster than they are read
	DropLength                      // shorter than a header, or not as long as its address count says
	DropFamily                      // between addresses of another family than the virtual router's
	DropTTL                         // TTL or hop limit: not 255, or outside the range of the unicast peer
	DropVersion                     // not the version of the virtual router
	DropType                        // not an advertisement
	DropVRID                        // for another virtual router
	DropAH                          // behind an IP authentication header, which nobody here verifies
	DropHMACMissing                 // a trailer is required and there is none
	DropHMACMalformed               // the trailer is of an unknown type
	DropHMACKey                     // signed with a key that is not ours
	DropHMACStale                   // signed too long ago, or in the future
	DropHMACReplay                  // not newer than what this speaker sent before
	DropHMAC                        // the signature is wrong
	DropAuthType                    // version 2: another authentication type than ours, or an unknown one
	DropAuth                        // version 2: another password
	DropChecksum                    // no form of the checksum is right
	DropCount                       // no address (RFC 9568 erratum 8299), unless this router has none either
	DropInterval                    // interval 0 (RFC 9568 erratum 8301)
	DropLinkLocal                   // the first IPv6 address is not link-local (RFC 9568 erratum 8300)
	DropIntervalMismatch            // version 2: another interval than ours (RFC 3768 section 7.1)
	DropDestination                 // sent to a group while this router uses unicast, or the other way round
	dropReasons
)

var dropNames = [dropReasons]string{
	DropPeer: "peer", DropSelf: "self", DropOverflow: "overflow", DropLength: "length", DropFamily: "address-family", DropTTL: "ttl",
	DropVersion: "version", DropType: "type", DropVRID: "vrid", DropAH: "ah", DropHMACMissing: "hmac-missing",
	DropHMACMalformed: "hmac-malformed", DropHMACKey: "hmac-key", DropHMACStale: "hmac-stale", DropHMACReplay: "hmac-replay",
	DropHMAC: "hmac", DropAuthType: "auth-type", DropAuth: "auth", DropChecksum: "checksum", DropCount: "count",
	DropInterval: "interval", DropLinkLocal: "link-local", DropIntervalMismatch: "interval-mismatch", DropDestination: "destination",
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
