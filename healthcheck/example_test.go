package healthcheck_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/mainstay-ha/mainstay/healthcheck"
)

// pool stands for an upstream pool or an LVS service: both have this method.
type pool struct{}

func (pool) SetHealth(id, source string, up bool, cause error) error {
	fmt.Printf("%s by %s: up=%v\n", id, source, up)
	return nil
}

// The verdicts of a manager steer a pool by one line.
func Example() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "fine")
	}))
	defer backend.Close()

	var pool pool
	m, err := healthcheck.New(healthcheck.WithOnChange(func(e healthcheck.Event) {
		pool.SetHealth(e.ID, "http", e.Up, e.Err)
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	target := healthcheck.Target{Group: "web", ID: "backend1", Addr: backend.Listener.Addr().String()}
	check := healthcheck.HTTP(healthcheck.WithPath("/healthz"), healthcheck.WithStatus(200, 204))
	handle, err := m.Add(target, check, healthcheck.Policy{})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { m.Run(ctx) })
	if err := m.WaitReady(ctx); err != nil { // every target has a verdict
		fmt.Println(err)
		return
	}
	fmt.Println("ready, backend1 is", handle.State())
	cancel()
	wg.Wait()
	// Unordered output:
	// ready, backend1 is up
	// backend1 by http: up=true
}

// A function makes a checker; ResultOf sorts its errors.
func ExampleCheckerFunc() {
	check := healthcheck.CheckerFunc(func(ctx context.Context, t healthcheck.Target) healthcheck.Result {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", "/nonexistent/"+t.ID)
		if err == nil {
			conn.Close()
		}
		return healthcheck.ResultOf(err)
	})
	fmt.Println(check.Check(context.Background(), healthcheck.Target{ID: "app.sock"}).Status)
	// Output: fail
}

// Add reports every problem at once.
func ExampleManager_Add() {
	m, err := healthcheck.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = m.Add(healthcheck.Target{Addr: "192.0.2.1"}, healthcheck.HTTP(healthcheck.WithPath("healthz")), healthcheck.Policy{Rise: -1})
	fmt.Println(err)
	// Output:
	// healthcheck: add default/192.0.2.1: policy: Rise is -1, want 1 to 1000
	// http: WithPath of "healthz", want a path from "/" on, percent-encoded
	// address "192.0.2.1": address 192.0.2.1: missing port in address
}
