package main

import (
	"log/slog"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// edges make the parts of a router that touch the system. Tests bring their own.
type edges struct {
	transport func(in *instance) (vrrp.Transport, error)      // one for all routers of an interface
	addresses func(in *instance) (vrrp.AddressManager, error) // who installs the addresses
	announcer func(in *instance) (vrrp.Announcer, error)      // who tells the neighbours; nil: nobody
}

// newRouter makes the router that in describes. done is to be called after its Run.
func newRouter(in *instance, e edges, log *slog.Logger, on func(vrrp.Transition)) (r *vrrp.Router, done func(), err error) {
	transport, err := e.transport(in)
	if err != nil {
		return nil, nil, refused(err)
	}
	addresses, err := e.addresses(in)
	if err != nil {
		return nil, nil, refused(err)
	}
	announcer, err := e.announcer(in)
	if err != nil {
		return nil, nil, refused(err)
	}
	more, done, err := notifier(in, log)
	if err != nil {
		return nil, nil, &failure{exitFlags, err}
	}
	opts := append(in.options(),
		vrrp.WithTransport(transport),
		vrrp.WithAddresses(addresses),
		vrrp.WithLogger(log),
	)
	if announcer != nil {
		opts = append(opts, vrrp.WithAnnounce(announcer))
	}
	for _, f := range append([]func(vrrp.Transition){on}, more...) { // the line first: scripts take their time
		opts = append(opts, vrrp.WithOnTransition(f))
	}
	if r, err = vrrp.New(in.vrid, in.vips, opts...); err != nil {
		done()
		return nil, nil, &failure{exitFlags, err} // what the flags' own rules let pass
	}
	return r, done, nil
}

// options are what the flags say about the election. The profile comes first, so that a flag can differ from it.
func (in *instance) options() []vrrp.Option {
	opts := append(profile(in.profile),
		vrrp.WithVersion(in.version),
		vrrp.WithPriority(in.priority),
		vrrp.WithInterval(in.interval),
		vrrp.WithPreempt(in.preempt),
		vrrp.WithPreemptDelay(in.preemptDelay),
		vrrp.WithStartupDelay(in.startupDelay),
		vrrp.WithStandby(in.standby),
	)
	if len(in.peers) > 0 {
		opts = append(opts, vrrp.WithUnicast(in.source, in.peers...))
	}
	if in.password != "" {
		opts = append(opts, vrrp.WithPassword(in.password))
	}
	if len(in.keys) > 0 {
		opts = append(opts, signing(in.hmacMode, in.keys[0], in.keys[1:]...))
	}
	if in.checksum != "auto" {
		opts = append(opts, vrrp.WithChecksum(checksums[in.checksum]))
	}
	if in.vmac {
		opts = append(opts, vrrp.WithVirtualMAC())
	}
	if in.plan != (vrrp.AnnouncePlan{}) {
		opts = append(opts, vrrp.WithAnnouncePlan(in.plan))
	}
	return opts
}
