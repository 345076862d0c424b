package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Pairs of nodes, and what each pair is to be told, in order. A line is found when it contains the text.
var pairs = []struct {
	name, common, a, b string
	code               int
	want               []string
}{
	{"fit", least, "-priority 150", "-priority 100", 0, []string{"ok: 1 virtual routers fit together"}},
	{"fit, with passwords", least + "-version 2 -password 1111", "-priority 100", "-priority 50", 0, []string{"ok"}},
	{"fit, by unicast", least, "-priority 150 -unicast-src 192.0.2.1 -unicast-peer 192.0.2.2", "-unicast-src 192.0.2.2 -unicast-peer 192.0.2.1", 0, []string{"ok"}},
	{"fit, three nodes", least, "-priority 150 -unicast-src 192.0.2.1 -unicast-peer 192.0.2.2 -unicast-peer 192.0.2.3", "-unicast-src 192.0.2.2 -unicast-peer 192.0.2.1 -unicast-peer 192.0.2.3", 0, []string{"ok"}},
	{"fit, nopreempt on the higher", least, "-priority 150 -preempt=false", "-priority 100", 0, []string{"ok"}},
	{"fit, nopreempt on both", least + "-preempt=false", "-priority 150", "-priority 100", 0, []string{"ok"}},
	{"nopreempt on the lower", least, "-priority 150", "-priority 100 -preempt=false", 0, []string{"note: vrid 51: -preempt: B never has the higher priority"}},
	{"fit, tracking moves", least + "-track -60:x", "-priority 150", "-priority 100", 0, []string{"ok"}},
	{"fit, tracking by a bonus", least + "-track 20:x", "-priority 100", "-priority 90", 0, []string{"ok"}},
	{"fit, tracking faults", least + "-track 0:x", "-priority 150", "-priority 100", 0, []string{"ok"}},
	{"fit, another interface", "-vrid 51 -vip 192.0.2.100", "-interface eth0 -priority 150", "-interface ens3", 0, []string{"ok"}},
	{"fit, a name of its own", least, "-priority 150 -name a", "-name b", 0, []string{"ok"}},

	{"VRID", "-interface eth0 -vip 192.0.2.100/24", "-vrid 51", "-vrid 52", 1, []string{"error: vrid 51: -vrid: A has 51 and B has 52 for -vip 192.0.2.100: both hold it"}},
	{"VRID, nothing in common", "-interface eth0", "-vrid 51 -vip 192.0.2.100", "-vrid 52 -vip 192.0.2.101", 1,
		[]string{"warning: vrid 51: -vrid: only A has it for ipv4", "warning: vrid 52: -vrid: only B has it"}},
	{"family", "-interface eth0 -vrid 51", "-vip 192.0.2.100", "-vip fe80::100", 1, []string{"vrid 51: -vrid: only A has it for ipv4", "vrid 51: -vrid: only B has it for ipv6"}},
	{"version", least, "-priority 150 -version 2", "-version 3", 1, []string{"error: vrid 51: -version: A has 2 and B has 3"}},
	{"password on one", least + "-version 2", "-priority 150 -password 1111", "", 1, []string{"error: vrid 51: -password: only A has one"}},
	{"passwords differ", least + "-version 2", "-priority 150 -password 1111", "-password 2222", 1, []string{"error: vrid 51: -password: A and B have different ones"}},
	{"key on one", least, "-priority 150", "-hmac-key 1:" + hexKey, 1,
		[]string{"error: vrid 51: -hmac-key: A does not sign and B wants that", "error: vrid 51: -hmac-key: B signs and A has no key"}},
	{"secrets differ", least, "-priority 150 -hmac-key 1:" + hexKey, "-hmac-key 1:" + strings.Repeat("b5", 32), 1,
		[]string{"A signs with key 1, which B has not, or with another secret", "B signs with key 1, which A has not"}},
	{"keys are exchanged", least, "-priority 150 -hmac-key 2:" + hexKey + " -hmac-key 1:" + hexKey[2:] + "aa", "-hmac-key 1:" + hexKey[2:] + "aa -hmac-key 2:" + hexKey, 0,
		[]string{"note: vrid 51: -hmac-key: A signs with key 2 and B with key 1"}},
	{"keys are rolled out", least, "-priority 150", "-hmac-mode receive-only -hmac-key 1:" + hexKey, 0, []string{"ok"}},
	{"interval, version 2", least + "-version 2", "-priority 150 -interval 1", "-interval 2", 1, []string{"error: vrid 51: -interval: A has 1s and B has 2s: version 2 drops"}},
	{"interval, version 3", least, "-priority 150 -interval 1", "-interval 100ms", 1, []string{"warning: vrid 51: -interval: A has 1s and B has 100ms"}},
	{"VIPs differ", least, "-priority 150 -vip 192.0.2.101", "-vip 192.0.2.102 -vip 192.0.2.103", 1,
		[]string{"error: vrid 51: -vip: only A has 192.0.2.101: gone while B is Active", "error: vrid 51: -vip: only B has 192.0.2.102 192.0.2.103"}},
	{"VIPs in another order", "-interface eth0 -vrid 51", "-priority 150 -vip 192.0.2.1 -vip 192.0.2.2", "-vip 192.0.2.2 -vip 192.0.2.1", 0, []string{"ok"}},
	{"prefix lengths differ", "-interface eth0 -vrid 51", "-priority 150 -vip 192.0.2.1/24", "-vip 192.0.2.1", 1, []string{"warning: vrid 51: -vip: A has 192.0.2.1/24 and B has 192.0.2.1/32"}},
	{"unicast against multicast", least, "-priority 150 -unicast-src 192.0.2.1 -unicast-peer 192.0.2.2", "", 1, []string{"error: vrid 51: -unicast-peer: only A has any"}},
	{"peers miss each other", least, "-priority 150 -unicast-src 192.0.2.1 -unicast-peer 192.0.2.3", "-unicast-src 192.0.2.2 -unicast-peer 192.0.2.1", 1,
		[]string{"error: vrid 51: -unicast-src -unicast-peer: B sends from 192.0.2.2, which is no peer of A"}},
	{"one source", least + "-unicast-src 192.0.2.1 -unicast-peer 192.0.2.2", "-priority 150", "", 1, []string{"which is no peer of B", "which is no peer of A", "-unicast-src: A and B both have 192.0.2.1"}},
	{"no source", least, "-priority 150 -unicast-peer 192.0.2.2", "-unicast-peer 192.0.2.1", 0, []string{"note: vrid 51: -unicast-src: A has none", "note: vrid 51: -unicast-src: B has none"}},
	{"a source is the other's VIP", least, "-priority 150 -vip 192.0.2.101 -unicast-src 192.0.2.1 -unicast-peer 192.0.2.2", "-vip 192.0.2.1 -unicast-src 192.0.2.2 -unicast-peer 192.0.2.3", 1,
		[]string{"error", "error", "A sends from 192.0.2.1, which is no peer of B", "192.0.2.1 of A is a virtual address of B"}},
	{"priorities are equal", least, "", "", 1, []string{"warning: vrid 51: -priority: A and B both claim 100"}},
	{"priorities are equal with the bonus", least, "-priority 90 -track 10:x", "-priority 100 -track 0:x", 1, []string{"warning: vrid 51: -priority: A and B both claim 100"}},
	{"priorities are near, at 1 s", least, "-priority 101", "-priority 100", 0, []string{"ok"}},
	{"priorities are near, at 100 ms", least + "-interval 100ms", "-priority 105", "-priority 100", 1, []string{"warning: vrid 51: -priority: 105 and 100 are 1.953125ms apart at this interval, a late timer reorders them: want a gap of 6"}},
	{"priorities are far enough, at 100 ms", least + "-interval 100ms", "-priority 106", "-priority 100", 0, []string{"ok"}},
	{"priorities are near, at 10 ms", least + "-interval 10ms", "-priority 151", "-priority 100", 1, []string{"want a gap of 52"}},
	{"priorities are far enough, at 10 ms", least + "-interval 10ms", "-priority 152", "-priority 100", 0, []string{"ok"}},
	{"priorities are near, version 2 at 10 s", least + "-version 2 -interval 10", "-priority 101", "-priority 100", 0, []string{"ok"}},
	{"two owners", least + "-priority 255", "", "", 1, []string{"error: vrid 51: -priority: A and B both have 255"}},
	{"100 against 90 with weight 2", least + "-track 2:x", "-priority 100", "-priority 90", 1,
		[]string{"warning: vrid 51: -priority -track: A falls from 102 to 100 when all it tracks has failed, and B has 92: the address never moves"}},
	{"the higher one is B", least + "-track 2:x", "-priority 90", "-priority 100", 1, []string{"B falls from 102 to 100 when all it tracks has failed, and A has 92"}},
	{"100 against 90 with weight -10", least + "-track -10:x", "-priority 100", "-priority 90", 1, []string{"A falls from 100 to 90 when all it tracks has failed, and B has 90"}},
	{"100 against 90 with weight -11", least + "-track -11:x", "-priority 100", "-priority 90", 0, []string{"ok"}},
	{"two weights, only together", least + "-track -6:x -track-interface -6:eth1", "-priority 100", "-priority 90", 0,
		[]string{"note: vrid 51: -track:", "note: vrid 51: -track-interface: \"-6:eth1\" alone does not move the address: it leaves A at 94"}},
	{"weight and fault", least + "-track 2:x -track 0:y", "-priority 100", "-priority 90", 1, []string{"A falls from 102 to 100"}},
	{"the clamp holds the address", least + "-track -10:x", "-priority 5", "-priority 1", 1, []string{"A falls from 5 to 1 when all it tracks has failed, and B has 1"}},
	{"reverse", least + "-track -20,reverse:x", "-priority 100", "-priority 90", 0, []string{"ok"}},
	{"weights against nopreempt", least + "-track -60:x", "-priority 150", "-priority 100 -preempt=false", 1, []string{"warning: vrid 51: -priority -track -preempt: A falls from 150 to 90, and B with -preempt=false leaves it the address"}},
	{"only one tracks", least, "-priority 150 -track -60:x", "", 0, []string{`note: vrid 51: -track: only A tracks "x": B may hold the address without it`}},
	{"owner with nopreempt", least, "-priority 255 -preempt=false", "-priority 100", 1, []string{"warning: vrid 51: -preempt -priority: A has 255 and -preempt=false"}},
	{"nopreempt with a delay", least, "-priority 150 -preempt=false -preempt-delay 5", "", 1, []string{"warning: vrid 51: -preempt -preempt-delay: A has a delay"}},
	{"virtual MAC on one", least, "-priority 150 -vmac", "", 1, []string{"warning: vrid 51: -vmac: only A has it"}},
	{"checksums", least, "-priority 150 -checksum message", "", 0, []string{"note: vrid 51: -checksum: A has message and B has auto"}},
	{"profiles", least, "-priority 150 -profile keepalived", "", 0, []string{`note: vrid 51: -profile: A has "keepalived" and B has ""`}},
	{"group on one", "-interface eth0", "-priority 150 -group G -instance vrid=51,vip=192.0.2.1 -instance vrid=52,vip=192.0.2.2", "-instance vrid=52,vip=192.0.2.2 -instance vrid=51,vip=192.0.2.1", 1,
		[]string{"warning: -group: only A has eth0-51 and eth0-52 in one group"}},
	{"one VRID on two interfaces", "", "-priority 150 -instance vrid=1,vip=192.0.2.1,interface=eth0 -instance vrid=1,vip=198.51.100.1,interface=eth1",
		"-instance vrid=1,vip=198.51.100.1,interface=eth1 -instance vrid=1,vip=192.0.2.1,interface=eth0", 0, []string{"ok: 2 virtual routers fit together"}},
}

func TestCheck(t *testing.T) {
	for _, c := range pairs {
		t.Run(c.name, func(t *testing.T) {
			var out, errs strings.Builder
			code := check([]string{" " + c.common + " " + c.a, c.common + " " + c.b}, &out, &errs)
			if code != c.code || errs.Len() > 0 {
				t.Errorf("exit code %d, want %d, errors %q", code, c.code, errs.String())
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("%d lines, want %d:\n%s", len(lines), len(c.want), out.String())
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
					t.Errorf("no line has %q:\n%s", want, out.String())
				}
			}
		})
	}
}

// TestCheckTellsNoSecret compares nodes with secrets.
func TestCheckTellsNoSecret(t *testing.T) {
	var out, errs strings.Builder
	check([]string{least + "-version 2 -password hunter2", least + "-hmac-key 1:" + hexKey}, &out, &errs)
	for _, s := range []string{"hunter2", hexKey} {
		if strings.Contains(out.String()+errs.String(), s) {
			t.Errorf("the output has %s:\n%s%s", s, out.String(), errs.String())
		}
	}
}

func TestCheckWorstFirst(t *testing.T) {
	var out strings.Builder
	check([]string{least + "-priority 150 -profile keepalived -vmac -version 2", least}, &out, io.Discard)
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(line)[0])
	}
	if want := []string{"error:", "warning:", "note:"}; !slices.Equal(got, want) {
		t.Errorf("severities = %v, want %v", got, want)
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "# A\n" + least + "-priority 150\n", "b": least + "\n", "wrong": "-vrid 300\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, b, wrong := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "wrong")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"two files", []string{a, b}, 0, "ok"},
		{"a file and flags", []string{a, least + "-priority 150"}, 1, "both claim 150"},
		{"nothing", nil, 2, "0 arguments, want two"},
		{"one", []string{a}, 2, "1 arguments, want two"},
		{"a file that is not there", []string{a, b + "x"}, 2, "vrrpd: B: -config"},
		{"both wrong", []string{wrong, "-vrid x"}, 2, `vrrpd: B: -vrid "x"`},
		{"an open quote", []string{a, "-vrid '"}, 2, "no closing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			if code := run(append([]string{"-check"}, c.args...), &out, &out); code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s", code, c.code, c.want, out.String())
			}
		})
	}
}
