package ratelimit

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var startTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestZoneOptions(t *testing.T) {
	for _, test := range []struct {
		name     string
		opts     []ZoneOption
		capacity int
	}{
		{"default", nil, 65_536},
		{"capacity", []ZoneOption{WithCapacity(1000)}, 1000},
		{"odd capacity", []ZoneOption{WithCapacity(1001)}, 1002},
		{"least capacity", []ZoneOption{WithCapacity(32)}, 32},
		{"memory", []ZoneOption{WithMemory(1 << 20)}, 32_768},
		{"least memory", []ZoneOption{WithMemory(1024)}, 32},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := mustZone[string](t, "1r/s", test.opts...).Snapshot()
			if s.Capacity != test.capacity || s.Bytes != test.capacity*32 {
				t.Errorf("capacity %d, %d bytes, want %d, %d", s.Capacity, s.Bytes, test.capacity, test.capacity*32)
			}
		})
	}
}

func TestZoneErrors(t *testing.T) {
	_, err := NginxZone[string]("10r/h", WithName(""), WithCapacity(7), WithPrefix(33, 129))
	_, err2 := NginxZone[netip.Addr]("1r/s", WithName("z"), WithMemory(1023))
	_, err3 := NginxZone[netip.Addr]("1r/s", WithName("z"), WithMemory(1<<20), WithCapacity(1<<10))
	_, err4 := NginxZone[netip.Addr]("1r/s", WithName("z"), WithCapacity(1<<28+1), WithPrefix(-1, -1))
	all := fmt.Sprintln(err, err2, err3, err4)
	for _, want := range []string{
		`ratelimit: rate "10r/h": want a whole number and r/s or r/m`,
		`ratelimit: zone name is empty`,
		`ratelimit: zone "": capacity of 7 keys: must be from 32 to 268435456`,
		`ratelimit: zone "": WithPrefix is for zones of netip.Addr`,
		`ratelimit: zone "": IPv4 prefix of 33 bits: must be from 0 to 32`,
		`ratelimit: zone "": IPv6 prefix of 129 bits: must be from 0 to 128`,
		`ratelimit: zone "z": memory of 1023 bytes: must be from 1024 to 8589934592`,
		`ratelimit: zone "z": WithCapacity and WithMemory exclude each other`,
		`ratelimit: zone "z": capacity of 268435457 keys`,
		`ratelimit: zone "z": IPv4 prefix of -1 bits`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("errors lack %q:\n%s", want, all)
		}
	}
}

func TestZoneNow(t *testing.T) {
	z := mustZone[string](t, "1r/s", WithBase(time.Now().Add(-time.Hour)))
	c := mustChain(t, On(z, self[string]))
	for what, now := range map[string]int64{"zone": z.Now(), "chain": c.Now()} {
		if d := time.Duration(now); d < time.Hour || d > time.Hour+time.Minute {
			t.Errorf("%s: Now() = %v after its base", what, d)
		}
	}
	if z.Name() != "default" || z.Limit() != 1 {
		t.Errorf("Name() = %q, Limit() = %v", z.Name(), z.Limit())
	}
}

func TestSnapshotKeys(t *testing.T) {
	z := mustZone[string](t, "30r/m", WithName("login"), WithCapacity(64))
	c := mustChain(t, On(z, self[string], Burst(1)))
	for range 3 {
		c.Decide(start, "a")
	}
	conns := mustConns[string](t, 1, WithName("open"), WithCapacity(64))
	s, _ := conns.Acquire("a")
	conns.Acquire("a")
	defer s.Release()
	for _, test := range []struct {
		got  any
		want string
	}{
		{z.Snapshot(), `{"zone":"login","rate":0.5,"capacity":64,"bytes":2048,"keys":1,"added":1,"reclaimed":0,"displaced":0,"delayed":1,"rejected":1}`},
		{conns.Snapshot(), `{"zone":"open","limit":1,"capacity":64,"bytes":4096,"keys":1,"held":1,"acquired":1,"refused":1,"full":0}`},
	} {
		if got, err := json.Marshal(test.got); err != nil || string(got) != test.want {
			t.Errorf("snapshot %s, %v\nwant     %s", got, err, test.want)
		}
	}
	var got []string
	emit := func(name string, kind byte, value float64, labels ...string) {
		if len(labels)%2 != 0 || kind != 'c' && kind != 'g' || kind == 'c' != strings.HasSuffix(name, "_total") {
			t.Errorf("%s %c %q", name, kind, labels)
		}
		got = append(got, fmt.Sprint(strings.TrimPrefix(name, "mainstay_ratelimit_"), labels, value))
	}
	z.Collect(emit)
	conns.Collect(emit)
	for _, want := range []string{
		"limited_total[zone login outcome delayed] 1",
		"limited_total[zone login outcome rejected] 1", "keys[zone login] 1", "conns[zone open] 1",
		"conns_refused_total[zone open cause limit] 1", "conns_refused_total[zone open cause full] 0",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("metrics lack %q:\n%s", want, strings.Join(got, "\n"))
		}
	}
}
