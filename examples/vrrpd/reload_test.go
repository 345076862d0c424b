package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// describe writes a plan as one line for each unit that changes.
func describe(changes []change) []string {
	var out []string
	for _, c := range changes {
		var does []string
		if c.stop {
			does = append(does, "stop")
		}
		if c.start != nil {
			does = append(does, fmt.Sprintf("start %d", len(c.start.members)))
		}
		for _, u := range c.updates {
			does = append(does, fmt.Sprintf("update %d by %d", u.member, len(u.options)))
		}
		if c.keep != nil {
			does = append(does, fmt.Sprintf("keep %d", len(c.keep.members)))
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s: %s %s", c.name, strings.Join(does, ", "), strings.Join(c.flags, " "))))
	}
	return out
}

func TestPlan(t *testing.T) {
	const eth0 = "-interface eth0 "
	for _, c := range []struct {
		name, old, now string
		want           []string
	}{
		{"at the start", "", least, []string{"router eth0-51: start 1"}},
		{"nothing", least, least, []string{"router eth0-51: keep 1"}},
		{"priority", least, least + "-priority 200", []string{"router eth0-51: update 0 by 1, keep 1 priority"}},
		{"everything that changes live", least, least + "-priority 200 -interval 2 -preempt=false -preempt-delay 3 -vip 192.0.2.9",
			[]string{"router eth0-51: update 0 by 5, keep 1 priority interval preempt preempt-delay vip"}},
		{"peers", least + "-unicast-peer 192.0.2.2", least + "-unicast-peer 192.0.2.2 -unicast-peer 192.0.2.3",
			[]string{"router eth0-51: update 0 by 1, keep 1 unicast-peer"}},
		{"from multicast to unicast", least, least + "-unicast-peer 192.0.2.2", []string{"router eth0-51: stop, start 1 unicast-peer"}},
		{"from unicast to multicast", least + "-unicast-peer 192.0.2.2", least, []string{"router eth0-51: stop, start 1 unicast-peer"}},
		{"source", least + "-unicast-peer 192.0.2.2", least + "-unicast-peer 192.0.2.2 -unicast-src 192.0.2.1", []string{"router eth0-51: stop, start 1 unicast-src"}},
		{"what is tracked", least + "-track 0:a", least + "-track 0:b -track-interface 0:c -track-process 0:d", []string{"router eth0-51: keep 1"}},
		{"startup delay", least, least + "-startup-delay 5", []string{"router eth0-51: keep 1"}},
		{"standby", least, least + "-standby", []string{"router eth0-51: keep 1"}},
		{"version", least, least + "-version 2", []string{"router eth0-51: stop, start 1 version"}},
		{"password", least + "-version 2 -password a", least + "-version 2 -password b", []string{"router eth0-51: update 0 by 1, keep 1 password"}},
		{"no password any more", least + "-version 2 -password a", least + "-version 2", []string{"router eth0-51: stop, start 1 password"}},
		{"key", least + "-hmac-key 1:" + hexKey, least + "-hmac-key 2:" + hexKey, []string{"router eth0-51: update 0 by 1, keep 1 hmac-key"}},
		{"first key", least, least + "-hmac-key 2:" + hexKey + " -hmac-mode receive-only", []string{"router eth0-51: update 0 by 2, keep 1 hmac-key hmac-mode"}},
		{"no key any more", least + "-hmac-key 1:" + hexKey, least, []string{"router eth0-51: stop, start 1 hmac-key"}},
		{"checksum and announcements", least, least + "-checksum message -garp-master-delay 3", []string{"router eth0-51: update 0 by 2, keep 1 checksum garp-"}},
		{"back to those of a profile", least + "-profile keepalived -checksum message", least + "-profile keepalived", []string{"router eth0-51: stop, start 1 checksum"}},
		{"the fixed ones are why", least, least + "-vmac -priority 7", []string{"router eth0-51: stop, start 1 vmac"}},
		{"VRID", least, least + "-vrid 52", []string{"router eth0-51: stop", "router eth0-52: start 1"}},
		{"interface", least, least + "-interface eth1", []string{"router eth0-51: stop", "router eth1-51: start 1"}},
		{"family", least, eth0 + "-vrid 51 -vip fe80::1", []string{"router eth0-51: stop", "router eth0-51-v6: start 1"}},
		{"name", least, least + "-name a", []string{"router eth0-51: stop, start 1 name"}},
		{"one comes", eth0 + "-instance vrid=1,vip=192.0.2.1", eth0 + "-instance vrid=2,vip=192.0.2.2 -instance vrid=1,vip=192.0.2.1",
			[]string{"router eth0-2: start 1", "router eth0-1: keep 1"}},
		{"one goes", eth0 + "-instance vrid=2,vip=192.0.2.2 -instance vrid=1,vip=192.0.2.1", eth0 + "-instance vrid=1,vip=192.0.2.1",
			[]string{"router eth0-2: stop", "router eth0-1: keep 1"}},
		{"another order", eth0 + "-instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.2", eth0 + "-instance vrid=2,vip=192.0.2.2 -instance vrid=1,vip=192.0.2.1",
			[]string{"router eth0-2: keep 1", "router eth0-1: keep 1"}},
		{"into a group", least, least + "-group G", []string{"router eth0-51: stop", "group G: start 1"}},
		{"a member comes", eth0 + "-group G -instance vrid=1,vip=192.0.2.1", eth0 + "-group G -instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.2",
			[]string{"group G: stop, start 2 group"}},
		{"a member is another one", eth0 + "-group G -instance vrid=1,vip=192.0.2.1", eth0 + "-group G -instance vrid=2,vip=192.0.2.1", []string{"group G: stop, start 1 group"}},
		{"members in another order", eth0 + "-group G -instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.2",
			eth0 + "-group G -instance vrid=2,vip=192.0.2.2,priority=9 -instance vrid=1,vip=192.0.2.1",
			[]string{"group G: update 1 by 1, keep 2 priority"}},
		{"a member starts anew, and the group with it", eth0 + "-group G -instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.2",
			eth0 + "-group G -instance vrid=1,vip=192.0.2.1,vmac -instance vrid=2,vip=192.0.2.2", []string{"group G: stop, start 2 vmac"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs := func(line string) []spec {
				if line == "" {
					return nil
				}
				o, err := parse(t, line)
				if err != nil {
					t.Fatal(err)
				}
				return specsOf(o.instances)
			}
			if got := describe(plan(specs(c.old), specs(c.now))); !slices.Equal(got, c.want) {
				t.Errorf("plan = %q, want %q", got, c.want)
			}
		})
	}
}

// TestPlanKeepsOrder: what goes on keeps the order of the running members, which updates and routers are in.
func TestPlanKeepsOrder(t *testing.T) {
	old, err := parse(t, "-interface eth0 -group G -instance vrid=1,vip=192.0.2.1 -instance vrid=2,vip=192.0.2.2")
	if err != nil {
		t.Fatal(err)
	}
	now, err := parse(t, "-interface eth0 -group G -instance vrid=2,vip=192.0.2.2,priority=9 -instance vrid=1,vip=192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	c := plan(specsOf(old.instances), specsOf(now.instances))[0]
	if got := c.keep.members; got[0].vrid != 1 || got[1].vrid != 2 || got[1].priority != 9 {
		t.Errorf("members = %+v", got)
	}
}

// TestEveryFlagIsPlanned changes each flag of a router, and wants the plan to notice.
func TestEveryFlagIsPlanned(t *testing.T) {
	base := newInstance()
	b := newBinder(func(err error) { t.Error(err) })
	base.bind(b)
	values := map[string]string{
		"vip": "192.0.2.9", "priority": "7", "version": "2", "interval": "3", "preempt": "false", "preempt-delay": "1",
		"unicast-src": "192.0.2.1", "unicast-peer": "192.0.2.2", "password": "a", "hmac-key": "1:" + hexKey, "hmac-mode": "permissive",
		"checksum": "message", "vmac": "true", "profile": "rfc9568", "lifetime": "9", "garp-master-delay": "1", "garp-master-repeat": "2",
		"garp-master-refresh": "3", "garp-interval": "4", "notify": "a", "notify-fifo": "b", "name": "n",
		// The plan sees these in other ways.
		"interface": "", "vrid": "", "group": "", "startup-delay": "", "standby": "", "track": "", "track-interface": "", "track-process": "",
	}
	for _, name := range flagNames(b) {
		value, ok := values[name]
		if !ok {
			t.Errorf("-%s is new: tell this test, and the plan", name)
		}
		if value == "" {
			continue
		}
		old, now := newInstance(), newInstance()
		nb := newBinder(func(err error) { t.Error(err) })
		now.bind(nb)
		if err := nb.set.Set(name, value); err != nil {
			t.Fatal(err)
		}
		if flags, _, _ := differences(&old, &now); len(flags) != 1 || !strings.HasPrefix(name, flags[0]) {
			t.Errorf("-%s %s: the plan sees %v", name, value, flags)
		}
	}
}
