package mainstay_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"

	"github.com/mainstay-ha/mainstay/healthcheck"
	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/ratelimit"
	"github.com/mainstay-ha/mainstay/upstream"
)

// A balancer with health checks and a limit of five requests on one route, from packages that know nothing of each other.
func Example() {
	pool, err := upstream.New(upstream.WithName("shop"))
	check(err)
	for _, name := range []string{"a", "b"} {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) }))
		defer backend.Close()
		check(pool.Add(strings.TrimPrefix(backend.URL, "http://"), upstream.ID(name), upstream.Weight(len(name))))
	}

	// Health: verdicts go to the pool by a line of ours.
	checks, err := healthcheck.New(healthcheck.WithMaxSpread(0), healthcheck.WithOnChange(func(e healthcheck.Event) {
		check(pool.SetHealth(e.ID, "http", e.Up, e.Err))
	}))
	check(err)
	for _, b := range pool.Snapshot().Backends {
		_, err := checks.Add(healthcheck.Target{Group: "shop", ID: b.ID, Addr: b.Addr}, healthcheck.HTTP(), healthcheck.Policy{})
		check(err)
	}

	// Limits: the zone's decision is the gate's verdict.
	zone, err := ratelimit.NginxZone[netip.Addr]("1r/m", ratelimit.WithCapacity(1000))
	check(err)
	perClient := ratelimit.On(zone, func(r *proxy.Request) (netip.Addr, bool) { return r.RemoteAddr().Addr(), true },
		ratelimit.Burst(4), ratelimit.NoDelay())
	chain, err := ratelimit.NewChain(perClient)
	check(err)
	limit := proxy.Gate{Enter: func(r *proxy.Request) proxy.Verdict {
		return proxy.Verdict(chain.Decide(chain.Now(), r).Verdict(http.StatusTooManyRequests))
	}}

	p, err := proxy.New(proxy.WithPool(pool), proxy.WithRoute("/buy", pool, proxy.RouteGate(limit)))
	check(err)
	defer p.Close()

	// Start: listen, first verdicts, then announce yourself. Stop: servers first, checks last.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	server := p.Server(proxy.WithLinger(0))
	var roles sync.WaitGroup
	roles.Go(func() { check(checks.Run(ctx)) })
	roles.Go(func() { check(server.Serve(ln)) })
	check(checks.WaitReady(ctx))

	fmt.Println(get(ln, "/"), get(ln, "/"), get(ln, "/"), get(ln, "/"))
	for range 7 {
		fmt.Println("/buy", get(ln, "/buy"))
	}

	check(server.Shutdown(ctx))
	stop()
	roles.Wait()
	// Output:
	// a b a b
	// /buy a
	// /buy b
	// /buy a
	// /buy b
	// /buy a
	// /buy 429
	// /buy 429
}

func get(ln net.Listener, path string) string {
	answer, err := http.Get("http://" + ln.Addr().String() + path)
	check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err)
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprint(answer.StatusCode)
	}
	return string(body)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
