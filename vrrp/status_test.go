package vrrp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The document an operator reads, whole.
func TestSnapshotDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble's clock begins at 2000-01-01
		fake := newFake()
		fake.link.drops = 3
		r := run(t, vips4, WithTransport(fake), WithPriority(150))
		pass(4 * time.Second)
		fake.link.deliver(message(highPeer, 200), highPeer)
		fake.link.deliver(with(message(highPeer, 200), 0, 0x32), highPeer)
		pass(time.Second)
		status := r.Snapshot()
		short := status
		short.Drops, short.Speakers = nil, nil // the reasons have a test of their own
		got, err := json.MarshalIndent(short, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want := `{
  "vrid": 51,
  "version": 3,
  "family": "ipv4",
  "virtual-addresses": [
    "192.0.2.100/24"
  ],
  "local": "192.0.2.2:0",
  "peers": [
    "224.0.0.18:0"
  ],
  "state": "backup",
  "is-owner": false,
  "priority": 150,
  "effective-priority": 150,
  "tracking": 0,
  "preempt": true,
  "standby": false,
  "yielding": false,
  "checksum": "pseudo-header",
  "advertise-interval": 1000000000,
  "active-advertise-interval": 1000000000,
  "master-down-interval": 3414062500,
  "skew-time": 414062500,
  "deadline": "2000-01-01T00:00:07.4140625Z",
  "last-adv-source": "192.0.2.3:0",
  "up-datetime": "2000-01-01T00:00:00Z",
  "last-event": "vrrp-event-higher-priority-backup",
  "new-master-reason": "no-response",
  "last-transition": {
    "seq": 3,
    "time": "2000-01-01T00:00:04Z",
    "vrid": 51,
    "from": "active",
    "to": "backup",
    "reason": "higher-priority",
    "effective-priority": 150,
    "peer": "192.0.2.3:0"
  },
  "lateness": {
    "count": 1,
    "sum": 0,
    "max": 0,
    "buckets": [
      {
        "to": 50000,
        "count": 1
      },
      {
        "to": 100000,
        "count": 0
      },
      {
        "to": 250000,
        "count": 0
      },
      {
        "to": 500000,
        "count": 0
      },
      {
        "to": 1000000,
        "count": 0
      },
      {
        "to": 2500000,
        "count": 0
      },
      {
        "to": 5000000,
        "count": 0
      },
      {
        "to": 10000000,
        "count": 0
      },
      {
        "to": 50000000,
        "count": 0
      },
      {
        "to": 250000000,
        "count": 0
      },
      {
        "to": 1000000000,
        "count": 0
      },
      {
        "count": 0
      }
    ]
  },
  "statistics": {
    "discontinuity-datetime": "2000-01-01T00:00:00Z",
    "master-transitions": 1,
    "advertisement-rcvd": 1,
    "advertisement-sent": 2,
    "priority-zero-pkts-rcvd": 0,
    "priority-zero-pkts-sent": 0,
    "invalid-type-pkts-rcvd": 1,
    "packet-length-errors": 0,
    "checksum-errors": 0,
    "version-errors": 0,
    "vrid-errors": 0,
    "ip-ttl-errors": 0,
    "interval-errors": 0,
    "address-list-errors": 0,
    "message-only-checksums": 0,
    "losing-adverts": 0,
    "equal-priorities": 0,
    "owner-conflicts": 0,
    "duplicate-identities": 0,
    "stalls": 0,
    "one-way-links": 0,
    "duplicate-vrids": 0,
    "announcements": 0,
    "announce-errors": 0,
    "address-conflicts": 0,
    "send-errors": 0,
    "install-errors": 0,
    "remove-errors": 0,
    "coalesced-transitions": 0
  },
  "drops": null
}`
		if text := strings.ReplaceAll(string(got), time.Now().Format("-07:00"), "Z"); text != want {
			t.Errorf("Snapshot() = %s", text)
		}
		if len(status.Drops) != len(dropNames)-1 {
			t.Errorf("drops %v", status.Drops)
		}
		for reason, n := range status.Drops {
			if want := map[string]uint64{"peer": 3, "type": 1}[reason]; n != want {
				t.Errorf("%d dropped by %s, want %d", n, reason, want)
			}
		}

		// What the link counted stays when it is gone; what is no longer true goes.
		_ = r.end()
		if s := r.Snapshot(); s.Drops["peer"] != 3 || s.Local.IsValid() || !s.UpDatetime.IsZero() || !s.Deadline.IsZero() || s.LastEvent != "vrrp-event-shutdown" {
			t.Errorf("after Run: %+v", s)
		}
	})
}

func TestSnapshotBeforeRun(t *testing.T) {
	r, err := New(51, nil, WithTransport(newFake()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(r.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"family", "local", "deadline", "up-datetime", "last-transition", "faults"} {
		if strings.Contains(string(got), `"`+absent+`"`) {
			t.Errorf("%s in %s", absent, got)
		}
	}
	for _, present := range []string{`"state":"initialize"`, `"last-event":"vrrp-event-none"`, `"new-master-reason":"not-master"`} {
		if !strings.Contains(string(got), present) {
			t.Errorf("no %s in %s", present, got)
		}
	}
}

func TestWordsOfRFC8347(t *testing.T) {
	for r := ReasonNone; int(r) < len(reasonNames); r++ {
		if r.String() == "" || lastEvent(r) == "" || newMasterReason(r) == "" {
			t.Errorf("Reason(%d) = %q, %q, %q", r, r, lastEvent(r), newMasterReason(r))
		}
	}
	// A group's decision makes Active too; a stall never does.
	for r, want := range map[Reason][2]string{ReasonGroup: {"group", "priority"}, ReasonStalled: {"stalled", "not-master"}} {
		if got := [2]string{lastEvent(r), newMasterReason(r)}; got != want {
			t.Errorf("%v: %q, want %q", r, got, want)
		}
	}
	for d := DropPeer; d < dropReasons; d++ {
		if strings.Contains(d.String(), "(") || d.Error() != "vrrp: dropped: "+d.String() {
			t.Errorf("DropReason(%d) = %q, %q", d, d.String(), d.Error())
		}
	}
	for got, want := range map[string]string{
		fmt.Sprint(State(9)): "State(9)", fmt.Sprint(Family(9)): "Family(9)", fmt.Sprint(Reason(99)): "Reason(99)",
		DropReason(0).String(): "DropReason(0)", fmt.Sprint(MessageOnly): "message-only", fmt.Sprint(IPv6): "ipv6",
		named(namedHMAC | namedLogger).String(): "WithHMAC, WithLogger",
	} {
		if got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
	for w := range warnings {
		if warningTexts[w] == "" {
			t.Errorf("warning %d has no text", w)
		}
	}
	if len(optionNames) == 0 || 1<<(len(optionNames)-1) != namedProfile {
		t.Error("optionNames and the named options differ")
	}
}

func TestCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		r := run(t, vips4, WithTransport(fake), WithPriority(150))
		fake.link.deliver(with(message(highPeer, 200), 0, 0x32), highPeer)
		pass(4 * time.Second)
		got := map[string]float64{}
		r.Collect(func(name string, kind byte, value float64, labels ...string) {
			counter := strings.HasSuffix(name, "_total") || strings.HasPrefix(name, "mainstay_vrrp_lateness_seconds_")
			if kind != 'g' && kind != 'c' || counter != (kind == 'c') || !strings.HasPrefix(name, "mainstay_vrrp_") {
				t.Errorf("%s is of kind %c", name, kind)
			}
			if len(labels) < 4 || !slices.Equal(labels[:4], []string{"vrid", "51", "family", "ipv4"}) {
				t.Errorf("%s has labels %v", name, labels)
			}
			key := strings.TrimSpace(name + " " + strings.Join(labels[4:], " "))
			if _, twice := got[key]; twice {
				t.Errorf("%s twice", key)
			}
			got[key] = value
		})
		for key, want := range map[string]float64{
			"mainstay_vrrp_state state active":                1,
			"mainstay_vrrp_state state backup":                0,
			"mainstay_vrrp_priority":                          150,
			"mainstay_vrrp_effective_priority":                150,
			"mainstay_vrrp_standby":                           0,
			"mainstay_vrrp_master_down_interval_seconds":      3.4140625,
			"mainstay_vrrp_master_transitions_total":          1,
			"mainstay_vrrp_advertisements_sent_total":         1,
			"mainstay_vrrp_drops_total reason type":           1,
			"mainstay_vrrp_fault reason link":                 0,
			"mainstay_vrrp_tracking":                          0,
			"mainstay_vrrp_lateness_seconds_bucket le 5e-05":  1,
			"mainstay_vrrp_lateness_seconds_bucket le 0.25":   1,
			"mainstay_vrrp_lateness_seconds_bucket le +Inf":   1,
			"mainstay_vrrp_lateness_seconds_sum":              0,
			"mainstay_vrrp_lateness_seconds_count":            1,
			"mainstay_vrrp_drops_total reason hmac-malformed": 0,
		} {
			if v, ok := got[key]; !ok || v != want {
				t.Errorf("%s = %v, %v, want %v", key, v, ok, want)
			}
		}
	})
}

// Transitions at Info, drops now and then at Warn, in the words that all
// packages share.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		var log logs
		run(t, vips4, WithTransport(fake), WithLogger(log.logger()))
		pass(4 * time.Second)
		for range 100 {
			fake.link.deliver(with(message(highPeer, 200), 7, 0), highPeer)
			fake.link.deliver(message(highPeer, 200, func(a *Advert) { a.VRID = 52 }), highPeer)
			pass(time.Second)
		}
		fake.link.deliver(message(highPeer, 200), highPeer)
		synctest.Wait()
		for text, want := range map[string]int{
			`level=INFO msg=transition vrid=51 from=active state=backup reason=higher-priority priority=100 peer=192.0.2.3:0`: 1,
			`level=WARN msg="packet dropped" vrid=51 reason=checksum peer=192.0.2.3:0`:                                        2,
			`reason=vrid`: 0,
		} {
			if n := log.count(text); n != want {
				t.Errorf("%q is logged %d times, want %d", text, n, want)
			}
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
}
