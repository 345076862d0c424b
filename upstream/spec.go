package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxWeight   = 65535
	maxPort     = 65535
	maxPriority = 254

	// backupLevel is the tier of the backups: after every priority.
	backupLevel = maxPriority + 1
)

// spec is the configuration of one backend.
type spec struct {
	id          string
	address     string
	weight      int
	maxFails    int
	failTimeout time.Duration
	maxConns    int
	priority    int
	backup      bool
	down        bool
	slowStart   time.Duration
	sticky      string // as given, empty for the default

	resolve bool   // a name, to become peers at run time
	service string // SRV records are asked for
	served  bool   // Service was given

	named bool // ID was given
	moved bool // Address was given
	nils  int  // options that were nil
}

// newSpec returns the spec of a new backend.
func newSpec(addr string, opts []ServerOption) spec {
	s := spec{id: addr, address: addr, weight: 1, maxFails: 1, failTimeout: 10 * time.Second}
	s.apply(opts)
	if s.resolve && s.service == "" && s.literal() {
		s.resolve = false
	}
	return s
}

func (s *spec) apply(opts []ServerOption) {
	s.named, s.moved, s.nils = false, false, 0
	for _, o := range opts {
		if o == nil {
			s.nils++
			continue
		}
		o(s)
	}
}

// level is the tier that the backend belongs to, lower ones before higher ones.
func (s *spec) level() uint8 {
	if s.backup {
		return backupLevel
	}
	return uint8(s.priority)
}

// dial returns the network and the address to dial.
func (s *spec) dial() (network, addr string) {
	if path, ok := strings.CutPrefix(s.address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", s.address
}

// validate returns every problem of s, each naming where it is and the value.
func (s *spec) validate(where string, isNew bool) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("upstream: %s: %w", where, fmt.Errorf(format, args...)))
	}
	if err := s.checkAddress(); err != nil {
		bad("address %q: %w", s.address, err)
	}
	if s.served {
		if err := checkHost(s.service); err != nil {
			bad("service %q: %w", s.service, err)
		}
	}
	if isNew && s.moved {
		bad("Address %q is for Update", s.address)
	}
	if s.id == "" {
		if s.named {
			bad("the id is empty")
		}
	} else if !printable(s.id) {
		bad("id %q has a space or a control character", s.id)
	}
	if s.weight < 1 || s.weight > maxWeight {
		bad("weight %d is outside 1 to %d", s.weight, maxWeight)
	}
	if s.maxFails < 0 {
		bad("max_fails %d is negative", s.maxFails)
	}
	if s.failTimeout < 0 {
		bad("fail_timeout %v is negative", s.failTimeout)
	}
	if s.maxConns < 0 {
		bad("max_conns %d is negative", s.maxConns)
	}
	if s.slowStart < 0 {
		bad("slow_start %v is negative", s.slowStart)
	}
	if err := checkStickyID(s.sticky); err != nil {
		bad("sticky id %q: %w", s.sticky, err)
	}
	if s.priority < 0 || s.priority > maxPriority {
		bad("priority %d is outside 0 to %d", s.priority, maxPriority)
	}
	if s.nils > 0 {
		bad("%d of the options are nil", s.nils)
	}
	return errors.Join(errs...)
}

// literal reports that the address is no name.
func (s *spec) literal() bool {
	host, _, err := net.SplitHostPort(s.address)
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err == nil
}

// checkAddress accepts what the address may be: of a name to resolve, a host with
// or without a port.
func (s *spec) checkAddress() error {
	if s.served {
		if _, err := netip.ParseAddr(s.address); err == nil {
			return errors.New("has no services: it is not a name")
		}
		return checkHost(s.address)
	}
	err := checkAddress(s.address)
	if err == nil && s.resolve {
		if strings.HasPrefix(s.address, "unix:") {
			return errors.New("is not a name to resolve")
		}
		host, _, _ := net.SplitHostPort(s.address)
		return checkHost(host)
	}
	return err
}

// checkAddress accepts "host:port" and "unix:/path".
func checkAddress(a string) error {
	if a == "" {
		return errors.New("is empty")
	}
	if path, ok := strings.CutPrefix(a, "unix:"); ok {
		if path == "" {
			return errors.New("has no path")
		}
		if strings.ContainsRune(path, 0) {
			return errors.New("has a NUL in its path")
		}
		return nil
	}
	if !printable(a) {
		return errors.New("has a space or a control character")
	}
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		var ae *net.AddrError
		if errors.As(err, &ae) {
			return errors.New(ae.Err)
		}
		return err
	}
	if host == "" {
		return errors.New("has no host")
	}
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil || n < 1 || n > maxPort {
		return fmt.Errorf("port %q is not a number from 1 to %d", port, maxPort)
	}
	return nil
}

// printable reports that s is valid text without spaces and control characters.
func printable(s string) bool {
	for _, c := range s {
		if c == unicode.ReplacementChar || unicode.IsSpace(c) || unicode.IsControl(c) {
			return false
		}
	}
	return true
}
