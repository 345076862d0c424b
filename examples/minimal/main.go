// Command minimal is a balancer with health checks, in thirty lines: go run ./examples/minimal
package main

import (
	"context"
	"log"
	"net"

	"github.com/mainstay-ha/mainstay/healthcheck"
	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

func main() {
	pool := must(upstream.New(upstream.WithServer("127.0.0.1:9001"), upstream.WithServer("127.0.0.1:9002", upstream.Weight(3))))
	checks := must(healthcheck.New(healthcheck.WithOnChange(func(e healthcheck.Event) {
		log.Println(e.ID, "up:", e.Up, e.Err, pool.SetHealth(e.ID, "http", e.Up, e.Err))
	})))
	for _, addr := range []string{"127.0.0.1:9001", "127.0.0.1:9002"} {
		must(checks.Add(healthcheck.Target{Addr: addr}, healthcheck.HTTP(), healthcheck.Policy{}))
	}
	go func() { log.Fatal(checks.Run(context.Background())) }()
	log.Fatal(must(proxy.New(proxy.WithPool(pool))).Server().Serve(must(net.Listen("tcp", "127.0.0.1:8080"))))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
