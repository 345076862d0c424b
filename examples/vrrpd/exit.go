package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
)

// The exit codes; the package comment explains them.
const (
	exitClean     = 0
	exitFailed    = 1
	exitFlags     = 2
	exitPrivilege = 3
	exitInterface = 4
)

// failure is an error that has an exit code.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// exitCode is that of the program when it ends with err.
func exitCode(err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitClean
	case errors.As(err, &f):
		return f.code
	}
	return exitFailed
}

// refused makes a failure of an error that came from a socket of a router: the kernel refuses those to programs without
// the privilege.
func refused(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return &failure{exitPrivilege, fmt.Errorf("%w\nneeds CAP_NET_RAW for VRRP and ARP, and CAP_NET_ADMIN for the addresses: "+
		"run as root, or setcap cap_net_raw,cap_net_admin+ep on the program", err)}
}

// missing reports interfaces that are not there.
func missing(instances []instance) error {
	there, err := net.Interfaces()
	if err != nil {
		return err
	}
	var names []string
	for _, i := range there {
		names = append(names, i.Name)
	}
	var errs []error
	seen := map[string]bool{}
	for _, in := range instances {
		if !seen[in.iface] && !slices.Contains(names, in.iface) {
			errs = append(errs, fmt.Errorf("-interface %s does not exist; there are %s", in.iface, strings.Join(names, " ")))
		}
		seen[in.iface] = true
	}
	if err := errors.Join(errs...); err != nil {
		return &failure{exitInterface, err}
	}
	return nil
}

// report prints an error, a line for each of its lines.
func report(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "vrrpd: %s\n", strings.TrimSuffix(line, "\n"))
	}
}
