package vrrp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// InterfaceOption configures [TrackInterface].
type InterfaceOption func(*interfaceConfig)

type interfaceConfig struct{ up, down time.Duration }

// UpDelay sets how long an interface has to be up without a break before
// that is told; 0 or more, default 0. It and [DownDelay] are keepalived's
// interface_up_down_delays. A down delay of more than two advertisement
// intervals leaves an Active router with a dead interface longer than its
// Backups wait.
func UpDelay(d time.Duration) InterfaceOption { return func(c *interfaceConfig) { c.up = d } }

// DownDelay sets how long an interface has to be down without a break
// before that is told; 0 or more, default 0.
func DownDelay(d time.Duration) InterfaceOption { return func(c *interfaceConfig) { c.down = d } }

// TrackInterface tells set whether a network interface can carry traffic, until
// ctx ends: once as soon as it knows, then whenever that changes
// (track_interface). Up means that the interface exists, is set up (IFF_UP) and
// has a carrier (IFF_RUNNING). An interface that does not exist is down; it may
// come later, and come back under the same name.
//
//	uplink, err := router.Track("eth1", 0)
//	go vrrp.TrackInterface(ctx, "eth1", uplink.Set)
//
// The interface that adverts travel on needs no tracker: the transport watches
// it.
//
// set is called in the goroutine of TrackInterface, in order, and not after it
// has returned. Where it is slow, it is told the latest. The error is nil when
// ctx has ended; where interfaces cannot be watched it is there at once, and
// wraps [errors.ErrUnsupported] on systems other than Linux. No privilege is
// needed.
func TrackInterface(ctx context.Context, iface string, set func(up bool), opts ...InterfaceOption) error {
	return trackInterface(ctx, iface, set, opts, watchLinks)
}

// linkStates knows which interfaces are up.
type linkStates interface {
	up(iface string) bool
	Close() error
}

// watchLinks calls changed after every change.
func watchLinks(changed func()) (linkStates, error) {
	w, err := rtnl.Watch(func(*rtnl.State) { changed() })
	if err != nil {
		return nil, err
	}
	return rtnlLinks{w}, nil
}

type rtnlLinks struct{ *rtnl.Watcher }

func (w rtnlLinks) up(iface string) bool {
	l, ok := w.State().Link(iface)
	return ok && l.Up && l.Running
}

func trackInterface(ctx context.Context, iface string, set func(up bool), opts []InterfaceOption, watch func(func()) (linkStates, error)) error {
	var c interfaceConfig
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("vrrp: track interface %q: "+format, append([]any{iface}, args...)...))
	}
	if err := option.Apply(&c, opts); err != nil {
		bad("%w", err)
	}
	if iface == "" {
		bad("a name is needed")
	}
	if set == nil {
		bad("set is nil")
	}
	for _, d := range []time.Duration{c.up, c.down} {
		if d < 0 {
			bad("delay %v is negative", d)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}

	wake := make(chan struct{}, 1)
	l, err := watch(func() { leaveWord(wake) })
	if err != nil {
		return fmt.Errorf("vrrp: track interface %q: %w", iface, err)
	}
	d := newDamper(c.up, c.down)
	d.follow(ctx, wake, func() bool { return l.up(iface) }, set)
	if err := l.Close(); err != nil {
		return fmt.Errorf("vrrp: track interface %q: %w", iface, err)
	}
	return nil
}

// leaveWord leaves word in a channel of capacity 1.
func leaveWord(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // word is waiting there
	}
}
