package main

import (
	"reflect"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// An attribute is one flag of a virtual router as a reload sees it.
type attribute struct {
	flag  string
	value func(*instance) any
	live  func(old, now *instance) vrrp.Option // changes a running router; nil, or a nil option: the router starts anew
}

// attributes are all flags of a virtual router but those that make it another one (-interface, -vrid, -group), those that
// members follow by themselves (-track...), -startup-delay and -standby, which matter at the start only.
var attributes = []attribute{
	{"priority", func(in *instance) any { return in.priority }, func(_, in *instance) vrrp.Option { return vrrp.WithPriority(in.priority) }},
	{"interval", func(in *instance) any { return in.interval }, func(_, in *instance) vrrp.Option { return vrrp.WithInterval(in.interval) }},
	{"preempt", func(in *instance) any { return in.preempt }, func(_, in *instance) vrrp.Option { return vrrp.WithPreempt(in.preempt) }},
	{"preempt-delay", func(in *instance) any { return in.preemptDelay }, func(_, in *instance) vrrp.Option { return vrrp.WithPreemptDelay(in.preemptDelay) }},
	{"vip", func(in *instance) any { return in.vips }, func(_, in *instance) vrrp.Option { return vrrp.WithVIPs(in.vips...) }},
	{"unicast-src", func(in *instance) any { return in.source }, nil},
	{"unicast-peer", func(in *instance) any { return in.peers }, livePeers},

	{"version", func(in *instance) any { return in.version }, nil},
	{"password", func(in *instance) any { return in.password }, livePassword},
	{"hmac-key", func(in *instance) any { return in.keys }, liveKeys},
	{"hmac-mode", func(in *instance) any { return in.hmacMode }, liveKeys},
	{"checksum", func(in *instance) any { return in.checksum }, liveChecksum},
	{"vmac", func(in *instance) any { return in.vmac }, nil},
	{"profile", func(in *instance) any { return in.profile }, nil},
	{"lifetime", func(in *instance) any { return in.lifetime }, nil},
	{"garp-", func(in *instance) any { return in.plan }, livePlan},
	{"notify", func(in *instance) any { return in.notify }, nil},
	{"notify-fifo", func(in *instance) any { return in.fifo }, nil},
	{"name", func(in *instance) any { return in.name }, nil},
}

// livePeers changes peers: not between multicast and unicast, which take different sockets.
func livePeers(old, now *instance) vrrp.Option {
	if len(old.peers) == 0 || len(now.peers) == 0 {
		return nil
	}
	return vrrp.WithUnicast(now.source, now.peers...)
}

// livePassword changes the password; a router without one starts anew.
func livePassword(_, now *instance) vrrp.Option {
	if now.password == "" {
		return nil
	}
	return vrrp.WithPassword(now.password)
}

// liveKeys changes keys and mode, as a rotation does; a router without keys starts anew.
func liveKeys(_, now *instance) vrrp.Option {
	if len(now.keys) == 0 {
		return nil
	}
	return signing(now.hmacMode, now.keys[0], now.keys[1:]...)
}

// liveChecksum and livePlan know no way back to what a profile says.
func liveChecksum(_, now *instance) vrrp.Option {
	if now.checksum == "auto" && now.profile != "" {
		return nil
	}
	return vrrp.WithChecksum(checksums[now.checksum])
}

func livePlan(_, now *instance) vrrp.Option {
	if now.plan == (vrrp.AnnouncePlan{}) && now.profile != "" {
		return nil
	}
	return vrrp.WithAnnouncePlan(now.plan)
}

// differences are the flags in which two descriptions of one router differ. live are the options that make a running
// router of the first one into the second; fixed are the flags that have none.
func differences(old, now *instance) (flags []string, live []vrrp.Option, fixed []string) {
	for _, a := range attributes {
		if reflect.DeepEqual(a.value(old), a.value(now)) {
			continue
		}
		flags = append(flags, a.flag)
		var option vrrp.Option
		if a.live != nil {
			option = a.live(old, now)
		}
		if option == nil {
			fixed = append(fixed, a.flag)
		} else {
			live = append(live, option)
		}
	}
	return flags, live, fixed
}
