package vrrp

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeLinks is a host with interfaces that tests change.
type fakeLinks struct {
	mu      sync.Mutex // guards everything below
	is      map[string]bool
	changed func()
	closed  int
}

func (f *fakeLinks) watch(changed func()) (linkStates, error) { f.changed = changed; return f, nil }

func (f *fakeLinks) up(iface string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.is[iface]
}

func (f *fakeLinks) set(iface string, up bool) {
	f.mu.Lock()
	f.is[iface] = up
	f.mu.Unlock()
	f.changed()
}

func (f *fakeLinks) Close() error { f.closed++; return nil }

func TestTrackInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		host, j, done := &fakeLinks{is: map[string]bool{}}, newJournal(), make(chan error)
		slow := make(chan struct{}, 100)
		go func() {
			done <- trackInterface(ctx, "eth1", func(up bool) { j.add("%v", up); <-slow },
				[]InterfaceOption{UpDelay(time.Second), DownDelay(100 * time.Millisecond)}, host.watch)
		}()
		slow <- struct{}{}
		synctest.Wait()
		j.expect(t, "0s false") // it does not exist
		host.set("eth2", true)
		host.set("eth1", true)
		slow <- struct{}{}
		pass(2 * time.Second)
		j.expect(t, "1s true")
		host.set("eth1", false)
		pass(50 * time.Millisecond)
		host.set("eth1", true)
		pass(time.Second)
		j.expect(t)
		host.set("eth1", false)
		pass(time.Second)
		j.expect(t, "3.15s false")
		for range 1001 { // while set has not returned
			host.set("eth1", true)
			host.set("eth1", false)
		}
		host.set("eth1", true)
		slow <- struct{}{}
		pass(time.Second)
		j.expect(t, "5.05s true")
		cancel()
		slow <- struct{}{}
		if err := <-done; err != nil || host.closed != 1 {
			t.Errorf("returned %v, closed %d times", err, host.closed)
		}
	})
}

func TestTrackInterfaceRefuses(t *testing.T) {
	cause := &fs.PathError{Op: "open", Path: "netlink", Err: errors.ErrUnsupported}
	watch := func(func()) (linkStates, error) { return nil, cause }
	set := func(bool) { t.Error("set was called") }
	for _, c := range []struct {
		name  string
		iface string
		set   func(bool)
		opts  []InterfaceOption
		want  string
	}{
		{"no name", "", set, nil, "a name is needed"},
		{"no set", "eth1", nil, nil, "set is nil"},
		{"negative", "eth1", set, []InterfaceOption{UpDelay(-1)}, "delay -1ns is negative"},
		{"nil option", "eth1", set, []InterfaceOption{nil}, "option 1 is nil"},
		{"cannot watch", "eth1", set, nil, `vrrp: track interface "eth1": open netlink: unsupported operation`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := trackInterface(t.Context(), c.iface, c.set, c.opts, watch)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := trackInterface(t.Context(), "eth1", set, nil, watch); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v does not wrap its cause", err)
	}
}
