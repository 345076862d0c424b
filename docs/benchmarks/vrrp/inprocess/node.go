package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
	"github.com/mainstay-ha/mainstay/vrrp"
)

// Where the parts of host 1 listen.
const (
	backendAddr = "127.0.0.1:9001"
	engineAddr  = "127.0.0.1:8001"
	handlerAddr = "127.0.0.1:8002"
)

// node is the process under test.
func node() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	live := grow(*heap << 20)
	router, err := newRouter()
	if err != nil {
		return err
	}
	pool, err := upstream.New(upstream.WithServer(backendAddr))
	if err != nil {
		return err
	}
	p, err := proxy.New(proxy.WithPool(pool))
	if err != nil {
		return err
	}
	defer p.Close()
	engine, handler := p.Server(), &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	doors := []struct {
		addr  string
		serve func(net.Listener) error
		close func() error
	}{{engineAddr, engine.Serve, engine.Close}, {handlerAddr, handler.Serve, handler.Close}}

	var wg sync.WaitGroup
	defer wg.Wait()
	for _, d := range doors {
		ln, err := net.Listen("tcp", d.addr)
		if err != nil {
			return err
		}
		wg.Go(func() { _ = d.serve(ln) }) // ends with the Close below
		defer d.close()
	}
	wg.Go(func() { litter(ctx, *garbage) })
	fmt.Println("ready")
	err = router.Run(ctx)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	longest := uint64(0)
	for _, pause := range m.PauseNs { // the last 256
		longest = max(longest, pause)
	}
	s := router.Snapshot()
	fmt.Printf("stats: heap %d MB, %d collections, longest pause %v, %d transitions to Active, latest timer %v\n",
		m.HeapAlloc>>20, m.NumGC, time.Duration(longest), s.Statistics.MasterTransitions, s.Lateness.Max)
	runtime.KeepAlive(live)
	return err
}

func newRouter() (*vrrp.Router, error) {
	raw, err := vrrp.RawTransport("eth0")
	addresses, err2 := vrrp.NetlinkAddresses("eth0")
	announcer, err3 := vrrp.EthernetAnnouncer("eth0")
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	return vrrp.New(51, []netip.Prefix{netip.MustParsePrefix("10.77.0.100/24")},
		vrrp.WithTransport(raw), vrrp.WithAddresses(addresses), vrrp.WithAnnounce(announcer),
		vrrp.WithPriority(200), vrrp.WithInterval(*interval))
}

// object is what the heap is made of: 64 bytes, two of its words pointers.
type object struct {
	next, other *object
	payload     [6]uint64
}

// grow makes that many bytes of objects that point to each other.
func grow(size int) []*object {
	n := size / 64
	all := make([]*object, 0, n/64)
	var last *object
	for i := range n {
		o := &object{next: last}
		if len(all) > 0 {
			o.other = all[(i*7919)%len(all)]
		}
		last = o
		if i%64 == 63 { // the others hang below it
			all, last = append(all, o), nil
		}
	}
	return all
}

// litter makes garbage, that many megabytes a second, until ctx ends.
func litter(ctx context.Context, megabytes int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begin, made := time.Now(), 0
	var keep [64]*object
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(begin).Seconds() * float64(megabytes<<20) / 64); made < due; made++ {
			keep[made%len(keep)] = &object{next: keep[(made+1)%len(keep)]}
			keep[made%len(keep)].next = nil // a chain would not be garbage
		}
	}
}

// backend answers every request with a few bytes.
func backend() error {
	ln, err := net.Listen("tcp", backendAddr)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return (&http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("hello from the backend\n")) // the proxy may be gone
	})}).Serve(ln)
}
