package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// instance is one virtual router, as the flags describe it: a vrrp_instance of keepalived.
type instance struct {
	name     string // default INTERFACE-VRID, and -v6 after that for IPv6
	iface    string
	vrid     uint8
	priority uint8
	vips     []netip.Prefix
	version  int
	interval time.Duration

	preempt      bool
	preemptDelay time.Duration
	startupDelay time.Duration
	standby      bool

	source   netip.Addr
	peers    []vrrp.Peer
	password string
	keys     []vrrp.HMACKey // the first one signs
	hmacMode string
	checksum string
	vmac     bool
	profile  string
	lifetime time.Duration
	plan     vrrp.AnnouncePlan

	tracks     []track // of commands
	interfaces []track
	processes  []track
	notify     string
	fifo       string
	group      string
}

// newInstance has the defaults.
func newInstance() instance {
	return instance{priority: 100, version: 3, interval: time.Second, preempt: true, hmacMode: "enforce", checksum: "auto"}
}

// bind makes the flags of a virtual router set in's fields.
func (in *instance) bind(b *binder) {
	one(b, "interface", "run on the interface `NAME` (interface)", &in.iface, label)
	one(b, "vrid", "number of the virtual router, `1..255` (virtual_router_id)", &in.vrid, octet)
	many(b, "vip", "virtual `ADDRESS[/LENGTH]`, repeatable; without a length /32 or /128 (virtual_ipaddress)", &in.vips, vip)
	one(b, "priority", "`1..255`, 255 for the owner of the addresses; default 100 (priority)", &in.priority, octet)
	one(b, "version", "version of VRRP, `2 or 3`; default 3, keepalived's is 2 (vrrp_version)", &in.version, number(2, 3))
	one(b, "interval", "`SPAN` between adverts: seconds, or a duration such as 100ms; default 1 (advert_int)", &in.interval, positive)
	truth(b, "preempt", "take over from a router with a lower priority; default true (-preempt=false is nopreempt)", &in.preempt)
	one(b, "preempt-delay", "`SPAN` to tolerate a router with a lower priority (preempt_delay)", &in.preemptDelay, span)
	one(b, "startup-delay", "`SPAN` to stay out of the election at first (vrrp_startup_delay)", &in.startupDelay, span)
	truth(b, "standby", "begin with priority 1 and without preemption: hold the addresses only if nobody else does", &in.standby)

	one(b, "unicast-src", "`ADDRESS` adverts come from; needs -unicast-peer (unicast_src_ip)", &in.source, address)
	many(b, "unicast-peer", "`ADDRESS[,min_ttl=N][,max_ttl=N]` of another router, repeatable; no multicast then (unicast_peer)", &in.peers, peer)
	secret(b, "password", "simple `TEXT` of 1 to 8 bytes, version 2 only (auth_type PASS, auth_pass)", in.setPassword)
	in.bindKeys(b)
	one(b, "hmac-mode", "`MODE` of the rollout: receive-only, permissive or enforce; default enforce (auth_hmac mode)", &in.hmacMode, word("receive-only", "permissive", "enforce"))
	one(b, "checksum", "`FORM` sent in version 3 over IPv4: auto, pseudo or message; default auto (v3_checksum_as_v2)", &in.checksum, word("auto", "pseudo", "message"))
	truth(b, "vmac", "use the virtual MAC address (use_vmac)", &in.vmac)
	one(b, "profile", "behave as `NAME`: keepalived or rfc9568", &in.profile, word("keepalived", "rfc9568"))
	one(b, "lifetime", "`SPAN` after which the kernel removes the addresses of a dead process; default: never", &in.lifetime, positive)

	one(b, "garp-master-delay", "`SPAN` until the second burst of announcements, 0 for none (garp_master_delay)", &in.plan.Delay, orNone(span))
	one(b, "garp-master-repeat", "`COUNT` of announcements in each burst (garp_master_repeat)", &in.plan.Burst, number(1, 255))
	one(b, "garp-master-refresh", "`SPAN` between later announcements, 0 for none (garp_master_refresh)", &in.plan.Refresh, orNone(span))
	one(b, "garp-interval", "`SPAN` between the announcements of a burst (vrrp_garp_interval)", &in.plan.Spacing, span)

	many(b, "track", "`WEIGHT[,interval=SPAN,timeout=SPAN,rise=N,fall=N,reverse]:COMMAND`, repeatable; exit status 0 is up (track_script)", &in.tracks, trackOf("track"))
	many(b, "track-interface", "`WEIGHT[,reverse]:NAME`, repeatable (track_interface)", &in.interfaces, trackOf("track-interface"))
	many(b, "track-process", "`WEIGHT[,reverse]:NAME`, repeatable (track_process)", &in.processes, trackOf("track-process"))
	one(b, "notify", "run `SCRIPT` at each transition, with keepalived's arguments (notify)", &in.notify, anything)
	one(b, "notify-fifo", "write each transition to the FIFO `PATH`, in keepalived's format (vrrp_notify_fifo)", &in.fifo, anything)
	one(b, "group", "`NAME` of a sync group: its routers change state together (vrrp_sync_group)", &in.group, label)
	one(b, "name", "`NAME` of this router in output and for -notify; default INTERFACE-VRID", &in.name, label)
}

func (in *instance) setPassword(text string) error {
	if len(text) < 1 || len(text) > 8 {
		return fmt.Errorf("%d bytes, want 1 to 8", len(text))
	}
	in.password = text
	return nil
}

// bindKeys is many for a secret.
func (in *instance) bindKeys(b *binder) {
	first := true
	secret(b, "hmac-key", "`ID:HEX or ID:@FILE`, repeatable; the first one signs, all are accepted (auth_hmac)", func(text string) error {
		key, err := hmacKey(text)
		if err != nil {
			return err
		}
		if first {
			in.keys, first = nil, false
		}
		if slices.ContainsFunc(in.keys, func(k vrrp.HMACKey) bool { return k.ID() == key.ID() }) {
			return fmt.Errorf("key %d is given twice", key.ID())
		}
		in.keys = append(in.keys, key)
		return nil
	})
}

// orNone reads 0 as none, which is negative in an AnnouncePlan: there 0 is the default.
func orNone(parse func(string) (time.Duration, error)) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := parse(text)
		if err == nil && d == 0 {
			d = -1
		}
		return d, err
	}
}

// clone shares nothing with in.
func (in instance) clone() instance {
	in.vips, in.peers, in.keys = slices.Clone(in.vips), slices.Clone(in.peers), slices.Clone(in.keys)
	in.tracks, in.interfaces, in.processes = slices.Clone(in.tracks), slices.Clone(in.interfaces), slices.Clone(in.processes)
	return in
}

// family is that of the first address; 0 without one.
func (in *instance) family() vrrp.Family {
	switch {
	case len(in.vips) == 0:
		return 0
	case in.vips[0].Addr().Is4():
		return vrrp.IPv4
	}
	return vrrp.IPv6
}

// key is what makes two descriptions one virtual router.
type key struct {
	iface  string
	family vrrp.Family
	vrid   uint8
}

func (in *instance) key() key { return key{in.iface, in.family(), in.vrid} }

// String is the default name: eth0-51.
func (k key) String() string {
	s := fmt.Sprintf("%s-%d", k.iface, k.vrid)
	if k.family == vrrp.IPv6 {
		s += "-v6"
	}
	return s
}

// tracked is everything in one list.
func (in *instance) tracked() []track { return slices.Concat(in.tracks, in.interfaces, in.processes) }

var errNoFlags = errors.New("no flags: want at least -interface, -vrid and -vip; -h lists all")
