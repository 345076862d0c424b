package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// kernel are the edges of the real thing.
func kernel() edges {
	return edges{
		transport: func(in *instance) (vrrp.Transport, error) { return nil, absent("RawTransport") },
		addresses: func(in *instance) (vrrp.AddressManager, error) { return nil, absent("NetlinkAddresses") },
		announcer: func(in *instance) (vrrp.Announcer, error) { return nil, absent("EthernetAnnouncer") },
	}
}

// absent is for what package vrrp does not offer here.
func absent(what string) error { return fmt.Errorf("vrrp: %s: %w", what, errors.ErrUnsupported) }

// profile returns the options of -profile.
func profile(name string) []vrrp.Option { return nil }

// signing returns the option of -hmac-key and -hmac-mode.
func signing(mode string, active vrrp.HMACKey, also ...vrrp.HMACKey) vrrp.Option {
	return vrrp.WithHMAC(active)
}

// notifier makes the callbacks of -notify and -notify-fifo. done is to be called after the router's Run.
func notifier(in *instance, log *slog.Logger) (on []func(vrrp.Transition), done func(), err error) {
	if in.notify != "" || in.fifo != "" {
		return nil, nil, absent("ExecNotify")
	}
	return nil, func() {}, nil
}

// newTracker gives the router a tracker for t.
func newTracker(r *vrrp.Router, name string, t track) (tracker, error) { return nil, absent("Track") }

// watch tells set about an interface or a process until ctx ends.
func watch(ctx context.Context, t track, set func(up bool)) error { return absent("-" + t.flag) }

// newGroup makes a sync group.
func newGroup(name string, routers ...*vrrp.Router) (interface {
	Run(context.Context) error
}, error) {
	return nil, absent("NewGroup")
}

// hear has a line printed for every advert on an interface until ctx ends.
func hear(ctx context.Context, iface string, line func(string)) error { return absent("Listen") }
