package vrrp

import "errors"

var (
	// ErrRunning is returned by [Router.Run] while another call of it runs.
	ErrRunning = errors.New("vrrp: router is already running")

	// ErrNotRunning is returned by [Router.Yield] and [Router.Resume] when
	// there is no election to leave or to join.
	ErrNotRunning = errors.New("vrrp: router is not running")

	// ErrNoHeir is returned by [Router.Yield] when no other speaker advertised
	// within one interval. The addresses were given up all the same.
	ErrNoHeir = errors.New("vrrp: yielded, and no other speaker took over")

	// ErrGrouped is wrapped by the errors of the methods that a [Group] has for
	// all its routers, when they are called for one.
	ErrGrouped = errors.New("vrrp: the router is in group")

	// ErrDuplicateVRID is wrapped by the error of [Router.Run] when another
	// router of this process has the VRID on the same interface.
	ErrDuplicateVRID = errors.New("vrrp: the VRID is in use on the interface")
)
