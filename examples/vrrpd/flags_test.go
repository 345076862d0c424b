package main

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/vrrp"
)

// TestMain lets the test binary stand in for the program, and for what the tests start beside it.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Unsetenv(roleVariable)
		os.Exit(play(role))
	}
	leak.Main(m)
}

// roleVariable says what the test binary is to be.
const roleVariable = "VRRPD_TEST_ROLE"

// play is the other roles of the test binary.
func play(role string) int {
	switch role {
	case "vrrpd":
		return run(os.Args[1:], os.Stdout, os.Stderr)
	case "host": // keeps its network namespace until standard input ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	case "unprivileged":
		return withoutPrivilege()
	}
	panic("unknown role " + role)
}

// least are the flags that every router needs.
const least = "-interface eth0 -vrid 51 -vip 192.0.2.100/24 "

// hexKey is a key of 32 bytes.
var hexKey = strings.Repeat("a5", 32)

// flagNames lists what is bound.
func flagNames(b *binder) (names []string) {
	b.set.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

func parse(t *testing.T, line string) (options, error) {
	t.Helper()
	args, err := words(line, inFile)
	if err != nil {
		t.Fatal(err)
	}
	return parseFlags(args, io.Discard)
}

func TestFlagsRefused(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"nothing", "", "no flags"},
		{"no interface", "-vrid 51 -vip 192.0.2.1", "-interface is missing"},
		{"no VRID", "-interface eth0 -vip 192.0.2.1", "-vrid is missing"},
		{"no VIP", "-interface eth0 -vrid 51", "-vip is missing"},
		{"unknown flag", least + "-nope 3", "-nope"},
		{"stray argument", least + "extra", `"extra"`},
		{"a flag without its value", least + "-priority", "-priority"},
		{"interface with a space", least + "-interface 'a b'", `-interface "a b"`},
		{"interface empty", least + "-interface=", `-interface ""`},
		{"VRID 0", least + "-vrid 0", `-vrid "0": want 1 to 255`},
		{"VRID 256", least + "-vrid 256", `-vrid "256"`},
		{"VRID is no number", least + "-vrid x", `-vrid "x"`},
		{"VIP is a name", least + "-vip www", `-vip "www"`},
		{"VIP has a length too long", least + "-vip 192.0.2.1/33", `-vip "192.0.2.1/33": prefix length: want 1 to 32`},
		{"VIP has no length", least + "-vip 192.0.2.1/", `-vip "192.0.2.1/"`},
		{"VIP is a group", least + "-vip 224.0.0.18", `-vip "224.0.0.18"`},
		{"VIP is unspecified", least + "-vip 0.0.0.0", `-vip "0.0.0.0"`},
		{"VIP has a zone", least + "-vip fe80::1%eth0", `-vip "fe80::1%eth0"`},
		{"VIP is mapped", least + "-vip ::ffff:192.0.2.1", `-vip "::ffff:192.0.2.1"`},
		{"VIP twice", least + "-vip 192.0.2.100", "-vip 192.0.2.100 is given twice"},
		{"VIPs of two families", least + "-vip fe80::1", "-vip fe80::1/128 beside -vip 192.0.2.100/24"},
		{"first IPv6 VIP is global", "-interface eth0 -vrid 51 -vip 2001:db8::1/64", "-vip 2001:db8::1/64: the first IPv6 address must be link-local"},
		{"priority 0", least + "-priority 0", `-priority "0": want 1 to 255`},
		{"priority 256", least + "-priority 256", `-priority "256"`},
		{"version 1", least + "-version 1", `-version "1": want 2 to 3`},
		{"version 2 with IPv6", "-interface eth0 -vrid 51 -version 2 -vip fe80::1", "-version 2 with -vip fe80::1/128"},
		{"interval is no span", least + "-interval fast", `-interval "fast"`},
		{"interval 0", least + "-interval 0", `-interval "0": want more than 0`},
		{"interval negative", least + "-interval -1s", `-interval "-1s"`},
		{"interval too long for version 3", least + "-interval 41", "-interval 41s: version 3"},
		{"interval too short for version 3", least + "-interval 9ms", "-interval 9ms: version 3"},
		{"interval between the steps", least + "-interval 15ms", "-interval 15ms: version 3"},
		{"interval broken in version 2", least + "-version 2 -interval 0.5", "-interval 500ms: version 2"},
		{"interval too long for version 2", least + "-version 2 -interval 256", "-interval 4m16s: version 2"},
		{"preempt is no truth", least + "-preempt=maybe", "-preempt=maybe"},
		{"preempt delay", least + "-preempt-delay x", `-preempt-delay "x"`},
		{"startup delay", least + "-startup-delay -5", `-startup-delay "-5"`},
		{"unicast source is a name", least + "-unicast-src a", `-unicast-src "a"`},
		{"unicast source without peers", least + "-unicast-src 192.0.2.1", "-unicast-src 192.0.2.1 without -unicast-peer"},
		{"unicast source is a VIP", least + "-unicast-src 192.0.2.100 -unicast-peer 192.0.2.2", "-unicast-src 192.0.2.100 is a -vip"},
		{"unicast source of another family", least + "-unicast-src fe80::1 -unicast-peer 192.0.2.2", "-unicast-src fe80::1 with -vip"},
		{"peer is a name", least + "-unicast-peer a", `-unicast-peer "a"`},
		{"peer is the source", least + "-unicast-src 192.0.2.1 -unicast-peer 192.0.2.1", "-unicast-peer 192.0.2.1 is the -unicast-src"},
		{"peer is a VIP", least + "-unicast-peer 192.0.2.100", "-unicast-peer 192.0.2.100 is a -vip"},
		{"peer twice", least + "-unicast-peer 192.0.2.2 -unicast-peer 192.0.2.2", "-unicast-peer 192.0.2.2 is given twice"},
		{"peer of another family", least + "-unicast-peer 2001:db8::2", "-unicast-peer 2001:db8::2 with -vip"},
		{"peer with an unknown option", least + "-unicast-peer 192.0.2.2,ttl=3", `"ttl"`},
		{"peer with TTL 0", least + "-unicast-peer 192.0.2.2,min_ttl=0", "min_ttl: want 1 to 255"},
		{"peer with TTLs the wrong way round", least + "-unicast-peer 192.0.2.2,min_ttl=9,max_ttl=8", "min_ttl 9 is above max_ttl 8"},
		{"password empty", least + "-version 2 -password=", "-password: 0 bytes"},
		{"password too long", least + "-version 2 -password 123456789", "-password: 9 bytes"},
		{"password in version 3", least + "-password 1111", "-password needs -version 2"},
		{"password and key", least + "-version 2 -password 1111 -hmac-key 1:" + hexKey, "-password with -hmac-key"},
		{"key without number", least + "-hmac-key abcd", "-hmac-key: want ID:hex"},
		{"key 0", least + "-hmac-key 0:" + hexKey, "-hmac-key: want ID:hex"},
		{"key is not hexadecimal", least + "-hmac-key 7:xyz", "-hmac-key: key 7"},
		{"key too short", least + "-hmac-key 7:abcd", "HMAC key 7 has 2 bytes"},
		{"key twice", least + "-hmac-key 7:" + hexKey + " -hmac-key 7:" + hexKey, "key 7 is given twice"},
		{"key file that is not there", least + "-hmac-key 7:@/nowhere/key", "/nowhere/key"},
		{"mode without key", least + "-hmac-mode permissive", "-hmac-mode permissive without -hmac-key"},
		{"unknown mode", least + "-hmac-mode lax", `-hmac-mode "lax"`},
		{"unknown checksum", least + "-checksum none", `-checksum "none": want auto, pseudo, message`},
		{"checksum in version 2", least + "-version 2 -checksum message", "-checksum message: only version 3"},
		{"unknown profile", least + "-profile frr", `-profile "frr"`},
		{"lifetime too short", least + "-lifetime 2", "-lifetime 2s: want 3s or more"},
		{"lifetime broken", least + "-lifetime 3.5", "-lifetime 3.5s"},
		{"lifetime 0", least + "-lifetime 0", `-lifetime "0"`},
		{"refresh", least + "-garp-master-refresh x", `-garp-master-refresh "x"`},
		{"repeat 0", least + "-garp-master-repeat 0", `-garp-master-repeat "0"`},
		{"track without command", least + "-track -20", `-track "-20": want weight:what`},
		{"track with an empty command", least + "-track '-20: '", `-track "-20: "`},
		{"track with a wild weight", least + "-track 254:true", `weight "254": want -253 to 253`},
		{"track without weight", least + "-track :true", `weight ""`},
		{"track with an unknown option", least + "-track -20,every=2:true", `"every=2"`},
		{"track with interval 0", least + "-track -20,interval=0:true", "interval=0"},
		{"track with a tiny interval", least + "-track -20,interval=5ms:true", "interval=5ms"},
		{"track with rise 0", least + "-track -20,rise=0:true", "rise=0"},
		{"track with a timeout too long", least + "-track -20,interval=1,timeout=1:true", "timeout 1s: want less than the interval"},
		{"track-interface with rise", least + "-track-interface 0,rise=2:eth1", `"rise=2"`},
		{"track-process without name", least + "-track-process 0:", `-track-process "0:"`},
		{"owner with a weight", least + "-priority 255 -track -20:true", "with -priority 255"},
		{"group with a space", least + "-group 'a b'", `-group "a b"`},
		{"name empty", least + "-name=", `-name ""`},
		{"unknown level", least + "-log-level loud", `-log-level "loud"`},
		{"config that is not there", "-config /nowhere/vrrpd.conf", "-config: open /nowhere/vrrpd.conf"},
		{"listen without interface", "-listen", "-listen: -interface is missing"},
		{"instance with an unknown key", "-interface eth0 -instance vrid=1,vip=192.0.2.1,nope=3", `-instance 1: unknown key "nope"`},
		{"instance with a process flag", "-interface eth0 -instance vrid=1,vip=192.0.2.1,status=:80", `-instance 1: unknown key "status"`},
		{"instance without value", "-interface eth0 -instance vrid=1,vip=192.0.2.1,priority", "-instance 1: priority: want priority=value"},
		{"instance with a wrong value", "-interface eth0 -instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.300", `-instance 2: -vip "192.0.2.300"`},
		{"instance without VIP", "-interface eth0 -instance vrid=1", "-instance 1: -vip is missing"},
		{"instance with an open quote", "-interface eth0 -instance 'vrid=1,vip=\"'", "-instance 1: line 1: no closing"},
		{"two instances of one VRID", "-interface eth0 -instance vrid=1,vip=192.0.2.1 -instance vrid=1,vip=192.0.2.2", "-vrid 1 is given twice"},
		{"two instances of one VIP", "-interface eth0 -instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.1/24", "-vip 192.0.2.1/24 is given to eth0-1 and eth0-2"},
		{"two lifetimes", "-interface eth0 -instance vrid=1,vip=192.0.2.1,lifetime=5 -instance vrid=2,vip=192.0.2.2", "-lifetime 5s and 0s on -interface eth0"},
		{"two instances of one name", "-interface eth0 -name a -instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.2", "-name a is given twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.line)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("parse(%s) = %v, want an error with %s", c.line, err, c.want)
			}
		})
	}
}

func TestFlagsListEveryProblem(t *testing.T) {
	_, err := parse(t, "-interface eth0 -vrid 300 -nope 3 -priority 0 -vip a -preempt=x stray -interval 0 -instance vrid=1,vip=b,priority=x -instance vrid=2")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"300", "-nope", "-priority", `"a"`, "-preempt=x", `"stray"`, "-interval", `"b"`, "-instance 1", "-instance 2: -vip is missing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell %s:\n%v", want, err)
		}
	}
}

// TestSecretsAreNotPrinted refuses flags with secrets in them.
func TestSecretsAreNotPrinted(t *testing.T) {
	for _, line := range []string{
		"-version 2 -password hunter2hunter2",
		"-password hunter2",
		"-hmac-key hunter2",
		"-hmac-key 1:hunter2",
		"-hmac-key 1:" + hexKey + " -hmac-key 1:" + hexKey,
		"-instance vrid=1,password=hunter2hunter2",
	} {
		_, err := parse(t, least+line)
		if err == nil {
			t.Errorf("parse(%s): no error", line)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), hexKey) {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func TestFlagsDefaults(t *testing.T) {
	o, err := parse(t, "-interface eth0 -vrid 51 -vip 192.0.2.100")
	if err != nil {
		t.Fatal(err)
	}
	want := instance{
		name: "eth0-51", iface: "eth0", vrid: 51, priority: 100, vips: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/32")},
		version: 3, interval: time.Second, preempt: true, hmacMode: "enforce", checksum: "auto",
	}
	if len(o.instances) != 1 || !reflect.DeepEqual(o.instances[0], want) {
		t.Errorf("instances = %+v, want %+v", o.instances, want)
	}
	if o.level != slog.LevelInfo || o.status != "" || o.listen || o.dryRun || o.build {
		t.Errorf("options = %+v", o)
	}
}

func TestFlagsValues(t *testing.T) {
	o, err := parse(t, `-interface eth0 -vrid 51 -vip 192.0.2.100/24 -vip 192.0.2.101 -priority 200 -version 2 -interval 2
		-preempt=false -preempt-delay 5 -startup-delay 100ms -unicast-src 192.0.2.1 -unicast-peer 192.0.2.2
		-unicast-peer 198.51.100.3,min_ttl=250 -unicast-peer 198.51.100.4,max_ttl=9 -password 1111 -vmac -profile keepalived -lifetime 10
		-garp-master-delay 0 -garp-master-repeat 3 -garp-master-refresh 30 -garp-interval 0.1
		-track '-60,interval=2,timeout=1.5,rise=2,fall=3,reverse:test -e /a:b' -track 0:true
		-track-interface 0:eth1 -track-process -5,reverse:nginx
		-notify /etc/notify.sh -notify-fifo /run/vrrp -group G1 -name VI_1 -status 127.0.0.1:9000 -log-level debug`)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	want := instance{
		name: "VI_1", iface: "eth0", vrid: 51, priority: 200, version: 2, interval: 2 * time.Second,
		vips:         []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("192.0.2.101/32")},
		preemptDelay: 5 * time.Second, startupDelay: 100 * time.Millisecond, source: addr("192.0.2.1"),
		peers: []vrrp.Peer{{Addr: addr("192.0.2.2")}, {Addr: addr("198.51.100.3"), MinTTL: 250, MaxTTL: 255},
			{Addr: addr("198.51.100.4"), MaxTTL: 9}},
		password: "1111", hmacMode: "enforce", checksum: "auto", vmac: true, profile: "keepalived", lifetime: 10 * time.Second,
		plan: vrrp.AnnouncePlan{Burst: 3, Delay: -1, Repeat: 3, Refresh: 30 * time.Second, Spacing: 100 * time.Millisecond},
		tracks: []track{
			{flag: "track", weight: -60, reverse: true, what: "test -e /a:b", interval: 2 * time.Second, timeout: 1500 * time.Millisecond, rise: 2, fall: 3},
			{flag: "track", what: "true", interval: time.Second, timeout: 900 * time.Millisecond, rise: 1, fall: 1},
		},
		interfaces: []track{{flag: "track-interface", what: "eth1"}},
		processes:  []track{{flag: "track-process", weight: -5, reverse: true, what: "nginx"}},
		notify:     "/etc/notify.sh", fifo: "/run/vrrp", group: "G1",
	}
	if len(o.instances) != 1 || !reflect.DeepEqual(o.instances[0], want) {
		t.Errorf("instances = %+v, want %+v", o.instances, want)
	}
	if o.level != slog.LevelDebug || o.status != "127.0.0.1:9000" {
		t.Errorf("options = %+v", o)
	}
}

func TestFlagsKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(strings.Repeat("0b", 40)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse(t, least+"-hmac-mode receive-only -hmac-key 2:"+hexKey+" -hmac-key 1:@"+file)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := vrrp.NewHMACKey(2, slices.Repeat([]byte{0xa5}, 32))
	second, _ := vrrp.NewHMACKey(1, slices.Repeat([]byte{0x0b}, 40))
	if in := o.instances[0]; !slices.Equal(in.keys, []vrrp.HMACKey{first, second}) || in.hmacMode != "receive-only" {
		t.Errorf("keys = %v, mode = %s", in.keys, in.hmacMode)
	}
}

// TestInstances gives common flags as defaults, wherever they stand, and replaces lists.
func TestInstances(t *testing.T) {
	o, err := parse(t, `-interface eth0 -version 2 -track 0:true -instance 'vrid=51,vip=192.0.2.249/24,track="-5,rise=2:pidof nginx, or so"'
		-instance 'vrid=52,vip=192.0.2.250,vip=192.0.2.251,priority=99,preempt=false,vmac,name=VI_2,interface=eth1'
		-password 1111 -group G`)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.instances) != 2 {
		t.Fatalf("%d instances", len(o.instances))
	}
	a, b := o.instances[0], o.instances[1]
	if a.name != "eth0-51" || a.iface != "eth0" || a.priority != 100 || len(a.vips) != 1 || len(a.tracks) != 1 || a.tracks[0].what != "pidof nginx, or so" || a.tracks[0].rise != 2 || !a.preempt {
		t.Errorf("first = %+v", a)
	}
	if b.name != "VI_2" || b.iface != "eth1" || b.priority != 99 || len(b.vips) != 2 || b.tracks[0].what != "true" || b.preempt || !b.vmac {
		t.Errorf("second = %+v", b)
	}
	for _, in := range o.instances {
		if in.version != 2 || in.password != "1111" || in.group != "G" {
			t.Errorf("%s has not the common flags: %+v", in.name, in)
		}
	}
}

// TestSameNumberTwice is right for two families, and for two interfaces.
func TestSameNumberTwice(t *testing.T) {
	o, err := parse(t, "-interface eth0 -instance vrid=51,vip=192.0.2.1 -instance vrid=51,vip=fe80::1 -instance vrid=51,vip=192.0.2.1,interface=eth1")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, in := range o.instances {
		names = append(names, in.name)
	}
	if want := []string{"eth0-51", "eth0-51-v6", "eth1-51"}; !slices.Equal(names, want) {
		t.Errorf("names = %v, want %v", names, want)
	}
}

func TestConfigFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vrrpd.conf")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# node A\n-interface eth0\n-vrid 51\n-vip 192.0.2.100/24\n-priority 150 # wins\n-track '-60:pidof nginx'\n")
	o, err := parse(t, "-config "+file)
	if err != nil || o.instances[0].priority != 150 || o.instances[0].tracks[0].what != "pidof nginx" {
		t.Errorf("parse = %+v, %v", o, err)
	}
	if o, err = parse(t, "-priority 20 -config "+file); err != nil || o.instances[0].priority != 20 {
		t.Errorf("the command line does not win: %+v, %v", o, err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"wrong value", "-vrid 0", `-vrid "0"`},
		{"open quote", "-vrid 1\n'", "line 2"},
		{"another file", least + "-config /other", "no place in a file"},
		{"help", "-h", "no place in a file"},
		{"too large", strings.Repeat("#", maxFile+1), "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(c.text)
			if _, err := parse(t, "-config "+file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("parse = %v, want an error with %s", err, c.want)
			}
		})
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	var b strings.Builder
	if _, err := parseFlags([]string{"-h"}, &b); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error = %v", err)
	}
	for _, name := range strings.Fields("interface vrid vip priority version interval preempt preempt-delay startup-delay " +
		"unicast-src unicast-peer password hmac-key checksum vmac track track-interface track-process notify notify-fifo group " +
		"instance lifetime status listen profile log-level config check") {
		if !strings.Contains(b.String(), " -"+name) {
			t.Errorf("the help does not tell -%s", name)
		}
	}
}

// TestWeights is the table of keepalived's weights.
func TestWeights(t *testing.T) {
	for _, c := range []struct {
		value    string
		up, down int
	}{
		{"0:x", 0, 0}, {"0,reverse:x", 0, 0}, {"20:x", 20, 0}, {"-20:x", 0, -20}, {"20,reverse:x", -20, 0}, {"-20,reverse:x", 0, 20},
	} {
		tr, err := trackOf("track")(c.value)
		if err != nil || tr.adds(true) != c.up || tr.adds(false) != c.down {
			t.Errorf("%s adds %d and %d, want %d up and %d down, %v", c.value, tr.adds(true), tr.adds(false), c.up, c.down, err)
		}
		again, err := trackOf("track")(tr.String())
		if err != nil || again != tr {
			t.Errorf("%s, written as %s, is read as %+v, %v", c.value, tr, again, err)
		}
	}
}

// FuzzFlags: what is accepted keeps the rules of the protocol.
func FuzzFlags(f *testing.F) {
	for _, s := range []string{least, least + "-version 2 -password 1111", "-instance 'vrid=1,vip=fe80::1'", least + "-track '-2,rise=2:x'", "-vip 1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args, err := words(line, inFile)
		if err != nil || slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "config") || strings.Contains(a, "@") }) {
			return // reads no files
		}
		o, err := parseFlags(args, io.Discard)
		if err != nil || o.listen || o.build {
			return
		}
		for _, in := range o.instances {
			if in.vrid == 0 || in.priority == 0 || len(in.vips) == 0 || in.interval < 10*time.Millisecond || in.iface == "" || in.name == "" {
				t.Errorf("%q is accepted as %+v", line, in)
			}
		}
	})
}
