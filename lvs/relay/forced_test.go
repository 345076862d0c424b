package relay

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/mainstay-ha/mainstay/lvs"
)

// A dial that Close cuts short may return before Close comes to the connection:
// it is forced all the same, and does not look as if both sides had finished.
func TestDialCutShort(t *testing.T) {
	svc, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80"))
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Add(netip.MustParseAddrPort("192.0.2.11:80")); err != nil {
		t.Fatal(err)
	}
	records := make(chan Record, 1)
	var r *Relay
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		r.cancel() // what Close does first
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r, err = New(svc, WithDialer(dial), WithAccessLog(func(rec *Record) { records <- *rec }))
	if err != nil {
		t.Fatal(err)
	}
	client, front := net.Pipe()
	defer client.Close()
	r.admit(newEnd(front), netip.AddrPort{})
	if rec := <-records; rec.Reason != Forced {
		t.Errorf("the connection ended as %v, want %v", rec.Reason, Forced)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if n := r.Snapshot().Ended[Forced.String()]; n != 1 {
		t.Errorf("%d connections forced, want 1", n)
	}
	if c := svc.Snapshot().Counters; c.Total != 0 || c.Active != 0 || c.Failed != 0 {
		t.Errorf("books %+v", c)
	}
}
