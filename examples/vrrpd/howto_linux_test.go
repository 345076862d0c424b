package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// TestHowTosWork runs every set-up on two hosts, at the intervals of the how-tos, which are whole seconds:
// all at the same time.
func TestHowTosWork(t *testing.T) {
	if testing.Short() {
		t.Skip("ten seconds of real time")
	}
	if !need.NamespaceAgain(t, 3) {
		return
	}
	type setup struct {
		left, right *host
		a, b        *node
		pid         string // the file that the scripts look for, on the left host
	}
	var all []setup
	for _, h := range howtos {
		var s setup
		s.left, s.right = newHosts(t)
		s.pid = filepath.Join(t.TempDir(), "nginx.pid")
		if err := os.WriteFile(s.pid, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.a = s.left.vrrpd("-config "+howto(h.name, "a"), "NGINX_PID="+s.pid)
		all = append(all, s)
	}
	for i, h := range howtos {
		all[i].a.until("to=active", "name="+h.left)
		all[i].b = all[i].right.vrrpd("-config "+howto(h.name, "b"), "NGINX_PID=/")
	}
	for i, h := range howtos {
		all[i].b.until("to=backup", "name="+h.left)
		if h.right != "" {
			all[i].b.until("to=active", "name="+h.right)
		}
	}

	// nginx fails on the left: its script moves what it can.
	for i, h := range howtos {
		if err := os.Remove(all[i].pid); err != nil {
			t.Fatal(err)
		}
		if h.name == "both-active-script" || h.name == "script-fault" {
			all[i].b.until("to=active", "name="+h.left)
		}
	}
	// The left host dies: the right one holds everything.
	for _, s := range all {
		s.a.tell(syscall.SIGTERM)
	}
	for i, h := range howtos {
		all[i].a.ends(syscall.SIGCONT) // is on its way
		if h.name != "both-active-script" && h.name != "script-fault" {
			all[i].b.until("to=active", "name="+h.left)
		}
	}
	for _, s := range all {
		s.b.tell(syscall.SIGTERM)
	}
	for i := range all {
		if code := all[i].b.ends(syscall.SIGCONT); code != exitClean {
			t.Errorf("%s: exit code %d", howtos[i].name, code)
		}
	}
}
