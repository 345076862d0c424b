package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// kernel are the edges of the real thing. All routers of an interface share them.
func kernel() edges {
	lifetimes := map[string]time.Duration{}
	raw := shared(func(iface string) (*vrrp.Raw, error) { return vrrp.RawTransport(iface) })
	ether := shared(func(iface string) (*vrrp.Ethernet, error) { return vrrp.EthernetAnnouncer(iface) })
	addresses := shared(func(iface string) (*vrrp.Netlink, error) {
		if d := lifetimes[iface]; d > 0 {
			return vrrp.NetlinkAddresses(iface, vrrp.AddressLifetime(d))
		}
		return vrrp.NetlinkAddresses(iface)
	})
	return edges{
		transport: func(in *instance) (vrrp.Transport, error) { return raw(in.iface) },
		announcer: func(in *instance) (vrrp.Announcer, error) { return ether(in.iface) },
		addresses: func(in *instance) (vrrp.AddressManager, error) {
			if d, ok := lifetimes[in.iface]; ok && d != in.lifetime {
				return nil, fmt.Errorf("-lifetime of -interface %s changes at the next start only", in.iface)
			}
			lifetimes[in.iface] = in.lifetime
			return addresses(in.iface)
		},
	}
}

// shared makes one of a kind for each interface.
func shared[T any](open func(iface string) (T, error)) func(iface string) (T, error) {
	made := map[string]T{}
	return func(iface string) (T, error) {
		if v, ok := made[iface]; ok {
			return v, nil
		}
		v, err := open(iface)
		if err == nil {
			made[iface] = v
		}
		return v, err
	}
}

// profile returns the options of -profile.
func profile(name string) []vrrp.Option {
	switch name {
	case "keepalived":
		return []vrrp.Option{vrrp.Keepalived()}
	case "rfc9568":
		return []vrrp.Option{vrrp.StrictRFC9568()}
	}
	return nil
}

// checksums are the values of -checksum.
var checksums = map[string]vrrp.Checksum{"auto": vrrp.ChecksumAuto, "pseudo": vrrp.PseudoHeader, "message": vrrp.MessageOnly}

// signing returns the option of -hmac-key and -hmac-mode.
func signing(mode string, active vrrp.HMACKey, also ...vrrp.HMACKey) vrrp.Option {
	opts := []vrrp.HMACOption{vrrp.HMACAlso(also...)}
	switch mode {
	case "permissive":
		opts = append(opts, vrrp.HMACPermissive())
	case "receive-only":
		opts = append(opts, vrrp.HMACReceiveOnly())
	}
	return vrrp.WithHMAC(active, opts...)
}

// notifier makes the callbacks of -notify and -notify-fifo. done is to be called after the router's Run.
func notifier(in *instance, log *slog.Logger) (on []func(vrrp.Transition), done func(), err error) {
	done = func() {}
	if in.notify != "" {
		argv, err := words(in.notify, inFile)
		if err != nil || len(argv) == 0 {
			return nil, nil, fmt.Errorf("-notify %q: want a program and its arguments: %w", in.notify, err)
		}
		n, err := vrrp.ExecNotify(in.name, vrrp.NotifyScript(argv[0], argv[1:]...), vrrp.NotifyLogger(log))
		if err != nil {
			return nil, nil, fmt.Errorf("-notify: %w", err)
		}
		on = append(on, n.Notify)
	}
	if in.fifo != "" {
		n, err := vrrp.FIFONotify(in.name, in.fifo, vrrp.NotifyCreate(), vrrp.NotifyLogger(log))
		if err != nil {
			return nil, nil, fmt.Errorf("-notify-fifo: %w", err)
		}
		on, done = append(on, n.Notify), func() { _ = n.Close() }
	}
	return on, done, nil
}

// newTracker gives the router a tracker for t.
func newTracker(r *vrrp.Router, name string, t track) (tracker, error) {
	var opts []vrrp.TrackOption
	if t.reverse {
		opts = append(opts, vrrp.Reverse())
	}
	return r.Track(name, t.weight, opts...)
}

// watch tells set about an interface or a process until ctx ends.
func watch(ctx context.Context, t track, set func(up bool)) error {
	if t.flag == "track-interface" {
		return vrrp.TrackInterface(ctx, t.what, set)
	}
	return vrrp.TrackProcess(ctx, vrrp.ProcessSpec{Name: t.what}, set)
}

// newGroup makes a sync group.
func newGroup(name string, routers ...*vrrp.Router) (*vrrp.Group, error) {
	return vrrp.NewGroup(name, routers...)
}

// hear has a line printed for every advert on an interface until ctx ends.
func hear(ctx context.Context, iface string, line func(string)) error {
	return vrrp.Listen(ctx, iface, func(h vrrp.Heard) { line(h.String()) })
}
