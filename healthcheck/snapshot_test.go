package healthcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// snapshotRig has one target that is up, one that is down and one without a
// result, 10 s after the start.
func snapshotRig(t *testing.T) (r *rig, stop func()) {
	r = newRig(t, WithMaxSpread(0), WithJitter(0))
	r.add("b", Policy{}, func(context.Context, Target) Result {
		return Result{Status: Pass, Took: 1500 * time.Microsecond, Info: "200 OK"}
	})
	r.add("c", Policy{}, fail)
	if _, err := r.Add(Target{Group: "api", ID: "a", Addr: "192.0.2.1:80"}, CheckerFunc(func(ctx context.Context, _ Target) Result {
		<-ctx.Done()
		return Result{Status: Local, Err: errTest}
	}), Policy{Interval: time.Hour, Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	stop = r.run()
	time.Sleep(4 * time.Second)
	synctest.Wait()
	return r, stop
}

func TestSnapshotJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := snapshotRig(t)
		defer stop()
		s := r.Snapshot()
		b, err := json.MarshalIndent(s, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		var keys struct {
			Targets []map[string]any
		}
		if err := json.Unmarshal(b, &keys); err != nil {
			t.Fatal(err)
		}
		for i, want := range []map[string]any{
			{"group": "api", "backend": "a", "addr": "192.0.2.1:80", "generation": 3.0, "state": "unknown", "changes": 0.0, "passed": 0.0, "failed": 0.0, "local": 0.0, "took": 0.0},
			{"group": "default", "backend": "b", "addr": "", "generation": 1.0, "state": "up", "took": 1.5e6, "info": "200 OK"},
			{"group": "default", "backend": "c", "generation": 2.0, "state": "down", "changes": 1.0, "err": "broken"},
		} {
			for key, value := range want {
				if got := keys.Targets[i][key]; got != value {
					t.Errorf("target %d: %s is %v, want %v", i, key, got, value)
				}
			}
			if _, known := keys.Targets[i]["since"]; known != (i > 0) {
				t.Errorf("target %d: since is %v", i, keys.Targets[i]["since"])
			}
		}
		var back Snapshot
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(back.Targets[2].State, back.InFlight, back.Ready) != "down 1 false" {
			t.Errorf("read back: %+v", back)
		}
		if s.Passed != s.Targets[1].Passed || s.Failed != s.Targets[2].Failed || s.Passed == 0 || s.Failed == 0 || s.LastCheck.IsZero() || s.LastCheck.After(time.Now()) {
			t.Errorf("snapshot %+v", s)
		}
	})
}

func TestSnapshotEmpty(t *testing.T) {
	m, err := New()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(m.Snapshot())
	if err != nil || !strings.Contains(string(b), `"targets":[]`) || strings.Contains(string(b), "last_check") || !strings.Contains(string(b), `"ready":true`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := snapshotRig(t)
		defer stop()
		got := map[string]float64{}
		r.Collect(func(name string, kind byte, value float64, labels ...string) {
			if counter := strings.HasSuffix(name, "_total"); counter != (kind == 'c') || kind != 'c' && kind != 'g' {
				t.Errorf("%s is a %c", name, kind)
			}
			key := strings.TrimPrefix(name, "mainstay_healthcheck_") + " " + strings.Join(labels, " ")
			if _, twice := got[key]; twice || len(labels)%2 != 0 {
				t.Errorf("%s twice, or with half a label", key)
			}
			got[key] = value
		})
		for key, want := range map[string]float64{
			"ready ":                                       0,
			"in_flight ":                                   1,
			"late_total ":                                  0,
			"held_up_total ":                               0,
			"overdue_total ":                               0,
			"stale_total ":                                 0,
			"events_total ":                                2,
			"up group api backend a":                       0,
			"up group default backend b":                   1,
			"up group default backend c":                   0,
			"known group api backend a":                    0,
			"known group default backend c":                1,
			"changes_total group default backend c":        1,
			"checks_total group api backend a result pass": 0,
			"checks_total group default backend c result local":   0,
			"last_check_duration_seconds group default backend b": 0.0015,
			"events_coalesced_total ":                             0,
			"checks_total group default backend b result pass":    float64(r.Snapshot().Passed),
			"checks_total group default backend c result fail":    float64(r.Snapshot().Failed),
		} {
			if value, there := got[key]; !there || value != want {
				t.Errorf("%s is %v (there: %v), want %v", key, value, there, want)
			}
		}
		if seconds := got["last_check_timestamp_seconds "]; time.Since(time.UnixMilli(int64(seconds*1000))) > 5*time.Second {
			t.Errorf("last check at %v", seconds)
		}
	})
}
