package relay_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mainstay-ha/mainstay/lvs"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

// A slowListener takes its time to close when its Serve does that.
type slowListener struct {
	net.Listener
	once  sync.Once
	serve chan struct{} // Serve's close goes on
}

func (l *slowListener) Close() error {
	first := false
	l.once.Do(func() { first = true }) // by Shutdown, so that Accept returns
	if !first {
		<-l.serve
	}
	return l.Listener.Close()
}

// When Shutdown returns, the address is free: a TCP listener is closed by Serve, which
// has done so by then.
func TestShutdownWaitsForListeners(t *testing.T) {
	inMemory(t, func(w *world) {
		svc := must(lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80")))
		r := must(relay.New(svc, w.options...))
		ln := &slowListener{Listener: w.listen("127.0.0.1:0"), serve: make(chan struct{})}
		served, done := make(chan error, 1), make(chan error, 1)
		go func() { served <- r.Serve(ln) }()
		synctest.Wait()
		go func() { done <- r.Shutdown(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("Shutdown() = %v before Serve has closed the listener", err)
			done <- err
		default:
		}
		close(ln.serve)
		check(w.t, <-done)
		check(w.t, <-served)
	})
}
