package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// The routers of these tests, by what they use.
var kinds = []struct{ name, left, right string }{
	{"multicast", "", ""},
	{"unicast", "-unicast-src 192.0.2.1 -unicast-peer 192.0.2.2", "-unicast-src 192.0.2.2 -unicast-peer 192.0.2.1"},
	{"signed", "-hmac-key 1:" + hexKey, "-hmac-key 1:" + hexKey},
	{"message checksum", "-checksum message", ""},
	{"virtual MAC", "-vmac", "-vmac"},
	{"lifetime", "-lifetime 5", "-lifetime 5"},
	{"profile keepalived", "-profile keepalived", "-profile keepalived"},
	{"profile rfc9568", "-profile rfc9568", "-profile rfc9568"},
}

// TestVIPMovesOnSIGTERM stops the Active one of two. The heir holds the address, and the one that ended leaves nothing.
func TestVIPMovesOnSIGTERM(t *testing.T) {
	if !need.NamespaceAgain(t, 3) {
		return
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			left, right := newHosts(t)
			before := []string{left.state(), right.state()}
			const flags = "-vrid 51 -interval 100ms -vip 192.0.2.100/24 "
			a := left.vrrpd(flags + "-priority 150 " + k.left)
			a.until("to=active")
			left.gains("192.0.2.100")
			b := right.vrrpd(flags + k.right) // only now: on a busy host it could be the first
			b.until("to=backup")

			if code := a.ends(syscall.SIGTERM); code != exitClean {
				t.Errorf("exit code %d", code)
			}
			a.until("from=active to=initialize reason=shutdown")
			b.until("from=backup to=active reason=resigned")
			right.gains("192.0.2.100")
			if code := b.ends(syscall.SIGTERM); code != exitClean {
				t.Errorf("exit code %d", code)
			}
			for i, after := range []string{left.state(), right.state()} {
				if after != before[i] {
					t.Errorf("left behind: %s", difference(before[i], after))
				}
			}
		})
	}
}

// TestVIPMovesOnSIGKILL kills the Active one. Its address stays until the next start, which removes it.
func TestVIPMovesOnSIGKILL(t *testing.T) {
	if !need.NamespaceAgain(t, 3) {
		return
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			left, right := newHosts(t)
			before := left.shown()
			const flags = "-vrid 51 -interval 100ms -vip 192.0.2.100/24 "
			a := left.vrrpd(flags + "-priority 150 " + k.left)
			a.until("to=active")
			left.gains("192.0.2.100")
			b := right.vrrpd(flags + k.right) // only now: on a busy host it could be the first
			b.until("to=backup")

			a.ends(syscall.SIGKILL)
			b.until("from=backup to=active reason=no-response")
			right.gains("192.0.2.100")
			if k.name != "lifetime" && !left.has("192.0.2.100") {
				t.Error("the kernel removed the address of a killed process: this test shows nothing")
			}

			again := left.vrrpd(flags + "-priority 50 " + k.left)
			again.until("to=backup")
			left.loses("192.0.2.100")
			if code := again.ends(syscall.SIGTERM); code != exitClean {
				t.Errorf("exit code %d", code)
			}
			if after := left.shown(); after != before {
				t.Errorf("left behind: %s", difference(before, after))
			}
			if !right.has("192.0.2.100") {
				t.Error("the heir has lost the address")
			}
			b.ends(syscall.SIGTERM)
		})
	}
}

// TestLifetime kills a process whose addresses have a lifetime: the kernel removes them.
func TestLifetime(t *testing.T) {
	if !need.NamespaceAgain(t, 3) {
		return
	}
	left, _ := newHosts(t)
	a := left.vrrpd("-vrid 51 -interval 100ms -vip 192.0.2.100/24 -lifetime 3")
	left.gains("192.0.2.100")
	a.ends(syscall.SIGKILL)
	left.loses("192.0.2.100")
}

// difference lists the lines of two texts that are not in both.
func difference(before, after string) string {
	var b strings.Builder
	for _, side := range []struct{ sign, in, notIn string }{{"-", before, after}, {"+", after, before}} {
		for line := range strings.Lines(side.in) {
			if !strings.Contains(side.notIn, line) {
				b.WriteString("\n" + side.sign + strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return b.String()
}

// TestIPv6 moves a link-local and a global address, in one group with an IPv4 router.
func TestIPv6(t *testing.T) {
	if !need.NamespaceAgain(t, 3) {
		return
	}
	left, right := newHosts(t)
	const flags = "-interval 100ms -group G -instance vrid=51,vip=192.0.2.100/24 -instance vrid=51,vip=fe80::100/64,vip=2001:db8::100/64 "
	a := left.vrrpd(flags + "-priority 150")
	a.out.count(t, "to=active", 2)
	left.gains("2001:db8::100")
	b := right.vrrpd(flags)
	b.out.count(t, "to=backup", 2)
	a.ends(syscall.SIGTERM)
	b.until("to=active", "group=G", "name=right0-51-v6")
	right.gains("2001:db8::100")
	for _, vip := range []string{"192.0.2.100", "fe80::100", "2001:db8::100"} {
		if left.has(vip) {
			t.Errorf("left has %s", vip)
		}
	}
	b.ends(syscall.SIGTERM)
}

// TestTrackMovesTheVIP lets a command, an interface and a process fail, one after the other.
func TestTrackMovesTheVIP(t *testing.T) {
	if !need.NamespaceAgain(t, 3) {
		return
	}
	probe := newProbe(t)
	for _, c := range []struct {
		name, flags string
		fail        func(*host, string) // makes what is tracked fail; the text is the path of a file
		reason      string              // why the other one takes over
	}{
		{"command with a weight", `-track '-60,interval=50ms:test -e "$UP"'`, remove, "reason=preempt"},
		{"command without a weight", `-track '0,interval=50ms:test -e "$UP"'`, remove, "reason=resigned"},
		{"interface", "-track-interface 0:extra0", func(h *host, _ string) { h.ip("link", "set", "extra0", "down") }, "reason=resigned"},
		{"process", "-track-process 0:" + probe.name, func(*host, string) { probe.end() }, "reason=resigned"},
	} {
		t.Run(c.name, func(t *testing.T) {
			left, right := newHosts(t)
			left.ip("link", "add", "extra0", "type", "veth", "peer", "name", "extra1")
			left.ip("link", "set", "extra1", "up")
			left.ip("link", "set", "extra0", "up")
			up := filepath.Join(t.TempDir(), "up")
			if err := os.WriteFile(up, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			const flags = "-vrid 51 -interval 100ms -vip 192.0.2.100/24 "
			a := left.vrrpd(flags+"-priority 150 "+c.flags, "UP="+up)
			a.until("to=active")
			left.gains("192.0.2.100")
			b := right.vrrpd(flags)
			b.until("to=backup")
			c.fail(left, up)
			b.until("to=active " + c.reason)
			right.gains("192.0.2.100")
			left.loses("192.0.2.100")
			a.ends(syscall.SIGTERM)
			b.ends(syscall.SIGTERM)
		})
	}
}

// probe is a process with a name of its own.
type probe struct {
	name string
	end  func()
}

func newProbe(t *testing.T) probe {
	t.Helper()
	name := fmt.Sprintf("probe%d", os.Getpid())
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		need.Skip(t, err.Error())
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(sleep, path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "600")
	if err := starter(t)(cmd); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	end := func() { once.Do(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) }
	t.Cleanup(end)
	return probe{name, end}
}

func remove(h *host, path string) {
	h.t.Helper()
	if err := os.Remove(path); err != nil {
		h.t.Fatal(err)
	}
}

// TestListen prints adverts, and takes no part.
func TestListen(t *testing.T) {
	if !need.NamespaceAgain(t, 3) {
		return
	}
	left, right := newHosts(t)
	l := right.vrrpd("-listen")
	a := left.vrrpd("-version 2 -vrid 51 -password 1111 -vip 192.0.2.100/24 -vip 192.0.2.101/24")
	l.until(" iface=right0 ", " vrid=51 ", " src=192.0.2.1 dst=224.0.0.18 ttl=255 version=2 priority=100 interval=1s addrs=192.0.2.100,192.0.2.101 ", "auth=password")
	a.ends(syscall.SIGTERM)
	l.until(" priority=0 resigns ")
	if code := l.ends(syscall.SIGTERM); code != exitClean {
		t.Errorf("exit code %d", code)
	}
}

// TestReload changes addresses, priority and trackers of an Active router by SIGHUP, and moves it to another VRID.
func TestReload(t *testing.T) {
	if !need.NamespaceAgain(t, 3) {
		return
	}
	left, _ := newHosts(t)
	file := filepath.Join(t.TempDir(), "vrrpd.conf")
	var a *node
	write := func(text string) {
		if err := os.WriteFile(file, []byte("-interval 100ms\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		if a != nil {
			a.tell(syscall.SIGHUP)
		}
	}
	write("-vrid 51\n-vip 192.0.2.100/24\n")
	a = left.vrrpd("-config " + file)
	left.gains("192.0.2.100")
	a.until("to=active")

	write("-vrid 51\n-vip 192.0.2.100/24\n-vip 192.0.2.101/24\n-priority 120\n-track '0:true'\n")
	left.gains("192.0.2.101")
	write("-vrid 51\n-vip 192.0.2.101/24\n-priority 130\n")
	left.loses("192.0.2.100")
	write("-vrid 51\n-vip 192.0.2.101/33\n")
	a.log.until(t, "level=ERROR msg=reload")
	if !left.has("192.0.2.101") {
		t.Error("a reload that was refused took the address")
	}
	write("-vrid 52\n-vip 192.0.2.101/24\n")
	if line := a.until("vrid="); !strings.Contains(line, "vrid=51") || !strings.Contains(line, "to=initialize reason=shutdown priority=130") {
		t.Errorf("the next transition was %s, want the end of VRID 51 at priority 130", line)
	}
	a.until("vrid=52", "to=active")
	if code := a.ends(syscall.SIGINT); code != exitClean {
		t.Errorf("exit code %d", code)
	}
}
