package ratelimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/mainstay-ha/mainstay/ratelimit"
)

// nginx: limit_req_zone $binary_remote_addr zone=one:1m rate=10r/s; limit_req zone=one burst=2;
func ExampleNginxZone() {
	zone, err := ratelimit.NginxZone[netip.Addr]("10r/s", ratelimit.WithName("one"), ratelimit.WithMemory(1<<20))
	if err != nil {
		fmt.Println(err)
		return
	}
	client := func(a netip.Addr) (netip.Addr, bool) { return a, true }
	chain, err := ratelimit.NewChain(ratelimit.On(zone, client, ratelimit.Burst(2)))
	if err != nil {
		fmt.Println(err)
		return
	}
	now := chain.Now()
	for range 4 {
		d := chain.Decide(now, netip.MustParseAddr("192.0.2.7"))
		fmt.Println(d.Outcome, d.Delay, d.RetryAfter, d.Excess())
	}
	// Output:
	// PASSED 0s 0s 0
	// DELAYED 100ms 0s 1000
	// DELAYED 200ms 0s 2000
	// REJECTED 0s 100ms 3000
}

// Several limits on one request: each client by itself, and all of them together. A request that one of them rejects
// costs nothing at the other.
func ExampleNewChain() {
	clients, err := ratelimit.NginxZone[string]("1r/s", ratelimit.WithName("clients"))
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := ratelimit.NginxZone[string]("5r/s", ratelimit.WithName("server"))
	if err != nil {
		fmt.Println(err)
		return
	}
	type request struct{ client, path string }
	chain, err := ratelimit.NewChain(
		ratelimit.On(clients, func(r request) (string, bool) { return r.client, true }, ratelimit.Burst(1), ratelimit.NoDelay()),
		ratelimit.On(server, func(r request) (string, bool) { return "all", r.path == "/search" }, ratelimit.Burst(1)))
	if err != nil {
		fmt.Println(err)
		return
	}
	now := chain.Now()
	for _, r := range []request{{"a", "/search"}, {"a", "/search"}, {"a", "/search"}, {"b", "/search"}, {"b", "/"}} {
		d := chain.Decide(now, r)
		fmt.Printf("%s %-8s %s by %s\n", r.client, r.path, d.Outcome, chain.Name(d.Rule()))
	}
	// Output:
	// a /search  PASSED by server
	// a /search  DELAYED by server
	// a /search  REJECTED by clients
	// b /search  REJECTED by server
	// b /        PASSED by clients
}

func ExampleMiddleware() {
	zone, err := ratelimit.NginxZone[netip.Addr]("30r/m")
	if err != nil {
		fmt.Println(err)
		return
	}
	chain, err := ratelimit.NewChain(ratelimit.On(zone, ratelimit.ByRemoteAddr))
	if err != nil {
		fmt.Println(err)
		return
	}
	limit, err := ratelimit.Middleware(ratelimit.WithChain(chain))
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") }))
	for range 2 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Printf("%d Retry-After: %q\n", w.Code, w.Header().Get("Retry-After"))
	}
	// Output:
	// 200 Retry-After: ""
	// 429 Retry-After: "2"
}

// A limit on requests in progress, by a key that need not be an address.
func ExampleConnZone() {
	downloads, err := ratelimit.NewConnZone[string](1, ratelimit.WithName("downloads"))
	if err != nil {
		fmt.Println(err)
		return
	}
	first, ok := downloads.Acquire("alice")
	fmt.Println(ok)
	_, ok = downloads.Acquire("alice")
	fmt.Println(ok)
	first.Release()
	first.Release() // harmless
	_, ok = downloads.Acquire("alice")
	fmt.Println(ok)
	// Output:
	// true
	// false
	// true
}

// request and verdict stand for a proxy's own types: a gate in front of it is one conversion.
type (
	request struct{ client uint64 }
	verdict struct {
		Status           int
		Wait, RetryAfter time.Duration
		Token            uint64
	}
)

func ExampleDecision_Verdict() {
	zone, err := ratelimit.NginxZone[uint64]("1r/s")
	if err != nil {
		fmt.Println(err)
		return
	}
	chain, err := ratelimit.NewChain(ratelimit.On(zone, func(r *request) (uint64, bool) { return r.client, true }))
	if err != nil {
		fmt.Println(err)
		return
	}
	enter := func(now int64, r *request) verdict { return verdict(chain.Decide(now, r).Verdict(503)) }
	now := chain.Now()
	fmt.Printf("%+v\n", enter(now, &request{client: 7}))
	fmt.Printf("%+v\n", enter(now, &request{client: 7}))
	// Output:
	// {Status:0 Wait:0s RetryAfter:0s Token:0}
	// {Status:503 Wait:0s RetryAfter:1s Token:0}
}
