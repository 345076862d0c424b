package lab

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Program starts VRRP speakers: one in a host, for one or more routers.
type Program interface {
	Start(h *Host, routers ...Router) *Speaker
}

// Speaker is a program that speaks VRRP in a host.
type Speaker struct {
	Host    *Host
	Routers []Router // with defaults
	FRR     bool     // the program is FRR's

	main    *Process   // asked to end by SIGTERM
	helpers []*Process // killed after it

	// holds tells whether the host answers for a router's addresses; nil: it
	// has them, or it does not.
	holds func(Router) bool
}

// UsesVirtualMAC reports whether the addresses of a router are at its virtual MAC.
func (s *Speaker) UsesVirtualMAC(r Router) bool { return r.VMAC || s.FRR }

// Holds reports whether the host has all addresses of a router, and answers
// for them.
func (s *Speaker) Holds(r Router) bool {
	if s.holds != nil {
		return s.holds(r)
	}
	for _, v := range r.VIPs {
		if !s.Host.Has(v.Addr()) {
			return false
		}
	}
	return true
}

// Free reports whether the host has none of a router's addresses.
func (s *Speaker) Free(r Router) bool {
	if s.holds != nil {
		return !s.holds(r)
	}
	for _, v := range r.VIPs {
		if s.Host.Has(v.Addr()) {
			return false
		}
	}
	return true
}

// PID returns the process that speaks VRRP.
func (s *Speaker) PID() int {
	if s.main.child != 0 {
		return s.main.child
	}
	return s.main.PID()
}

// Output returns what the program has printed.
func (s *Speaker) Output() string { return s.main.Output() }

// Process returns the one that was started.
func (s *Speaker) Process() *Process { return s.main }

// Stop asks the program to end, and waits until it has. It returns how.
func (s *Speaker) Stop() error {
	s.Host.lab.t.Helper()
	s.main.Signal(unix.SIGTERM)
	err := s.main.Join()
	s.killHelpers()
	return err
}

// Terminate asks the program to end, and does not wait.
func (s *Speaker) Terminate() { s.Host.lab.t.Helper(); s.main.Signal(unix.SIGTERM) }

// Kill kills the program as it stands: nothing is said, addresses stay. A
// child dies before its parent, whose death could be a reason to say goodbye.
func (s *Speaker) Kill() {
	s.Host.lab.t.Helper()
	s.signal(unix.SIGKILL)
	_ = s.main.Join() // killed
	s.killHelpers()
}

// Freeze stops the program where it is.
func (s *Speaker) Freeze() { s.Host.lab.t.Helper(); s.signal(unix.SIGSTOP) }

// Thaw ends Freeze.
func (s *Speaker) Thaw() { s.Host.lab.t.Helper(); s.signal(unix.SIGCONT) }

// signal goes to the process that speaks, then to the one that was started.
func (s *Speaker) signal(sig syscall.Signal) {
	s.Host.lab.t.Helper()
	if pid := s.PID(); pid != s.main.PID() {
		_ = syscall.Kill(pid, sig) // it may have ended
	}
	s.main.Signal(sig)
}

func (s *Speaker) killHelpers() {
	for _, p := range s.helpers {
		p.end()
	}
}
