package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// kernel are the edges of the real thing. The routers of an interface share them: one goroutine and one set of sockets.
func kernel() edges {
	return edges{
		transport: shared(func(in *instance) (vrrp.Transport, error) { return vrrp.RawTransport(in.iface) }),
		addresses: shared(func(in *instance) (vrrp.AddressManager, error) {
			var opts []vrrp.NetlinkOption
			if in.lifetime > 0 {
				opts = append(opts, vrrp.Lifetime(in.lifetime))
			}
			return vrrp.NetlinkAddresses(in.iface, opts...)
		}),
		announcer: shared(func(in *instance) (vrrp.Announcer, error) { return vrrp.EthernetAnnouncer(in.iface) }),
	}
}

// shared keeps what make has made for an interface.
func shared[T any](make func(*instance) (T, error)) func(*instance) (T, error) {
	var mu sync.Mutex // guards made
	made := map[string]T{}
	return func(in *instance) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if v, ok := made[in.iface]; ok {
			return v, nil
		}
		v, err := make(in)
		if err == nil {
			made[in.iface] = v
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
		script, err := vrrp.ExecNotify(in.name, vrrp.NotifyScript(in.notify), vrrp.NotifyLogger(log))
		if err != nil {
			return nil, nil, err
		}
		on = append(on, script.Notify)
	}
	if in.fifo != "" {
		fifo, err := vrrp.FIFONotify(in.name, in.fifo, vrrp.NotifyCreate(), vrrp.NotifyLogger(log))
		if err != nil {
			return nil, nil, err
		}
		on = append(on, fifo.Notify)
		done = func() {
			if err := fifo.Close(); err != nil {
				log.Warn("closing the FIFO", "path", in.fifo, "err", err)
			}
		}
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
	if t.flag == "track-process" {
		return vrrp.TrackProcess(ctx, vrrp.ProcessSpec{Name: t.what}, set)
	}
	return vrrp.TrackInterface(ctx, t.what, set)
}

// newGroup makes a sync group.
func newGroup(name string, routers ...*vrrp.Router) (interface {
	Run(context.Context) error
}, error) {
	return vrrp.NewGroup(name, routers...)
}

// hear has a line printed for every advert on an interface until ctx ends.
func hear(ctx context.Context, iface string, line func(string)) error {
	return vrrp.Listen(ctx, iface, func(h vrrp.Heard) { line(h.String()) })
}
