package vrrp

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An Update that meets the Open of Run counts wholly, the window of the HMAC too.
func TestUpdateWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		slow := &openingTransport{Transport: fake}
		r, err := New(51, vips4, WithTransport(slow), WithHMAC(testKey(7)))
		if err != nil {
			t.Fatal(err)
		}
		slow.opening = func() {
			if err := r.Update(WithInterval(10 * time.Second)); err != nil {
				t.Errorf("Update() = %v", err)
			}
		}
		rerun(t, r)
		synctest.Wait()
		b, peer := message(highPeer, 200), newAuthenticator(testKey(7), IPv4, 51, time.Second, 1)
		fake.link.deliver(peer.sign(b, b, highPeer, time.Now().Add(-20*time.Second)), highPeer)
		synctest.Wait()
		if s := r.Snapshot(); s.AdvertiseInterval != 10*time.Second || s.Statistics.AdvertisementRcvd != 1 {
			t.Errorf("interval %v, %d adverts of 20 s ago were heard, want 1", s.AdvertiseInterval, s.Statistics.AdvertisementRcvd)
		}
	})
}

// A Run that begins while an Update is checked may have a link that cannot do
// what is asked for: that is an error, and nothing has changed.
func TestUpdateMeetsALinkThatCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		r, err := New(51, vips4, WithTransport(fake), WithUnicast(self.Addr(), Peer{Addr: lowPeer.Addr()}))
		if err != nil {
			t.Fatal(err)
		}
		begin := func(*config) {
			rerun(t, r)
			synctest.Wait()
		}
		err = r.Update(WithUnicast(self.Addr(), Peer{Addr: highPeer.Addr()}), begin)
		if err == nil || !strings.Contains(err.Error(), "cannot change its peers") {
			t.Errorf("Update() = %v", err)
		}
		if r.config.peers[0].Addr != lowPeer.Addr() {
			t.Errorf("the peers are %v", r.config.peers)
		}
	})
}

type openingTransport struct {
	Transport
	opening func()
}

func (o *openingTransport) Open(ctx context.Context, vr VirtualRouter) (Link, error) {
	o.opening()
	return o.Transport.Open(ctx, vr)
}

// A router that begins on standby leaves the addresses to anybody else, also
// after a restart, until it is told to compete.
func TestStandbySurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		r := run(t, vips4, WithTransport(fake), WithStandby(true))
		for restart := range 2 {
			for range 10 {
				fake.link.deliver(message(lowPeer, 50), lowPeer)
				pass(time.Second)
			}
			if s := r.Snapshot(); s.State != Backup || !s.Standby || s.EffectivePriority != 1 {
				t.Errorf("run %d: %v, standby %v, priority %d", restart, s.State, s.Standby, s.EffectivePriority)
			}
			if restart == 0 {
				if err := r.end(); err != nil {
					t.Fatal(err)
				}
				r = rerun(t, r.Router)
			}
		}
		if err := r.Resume(); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		for range 4 {
			fake.link.deliver(message(lowPeer, 50), lowPeer)
			pass(time.Second)
		}
		if s := r.Snapshot(); s.State != Active || s.Standby {
			t.Errorf("after Resume: %v, standby %v", s.State, s.Standby)
		}
	})
}
