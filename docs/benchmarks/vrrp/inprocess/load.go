package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// load sends requests on kept connections, the next as soon as one is answered.
func load() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var wg sync.WaitGroup
	var answered, failed atomic.Uint64
	begin := time.Now()
	for _, addr := range []string{engineAddr, handlerAddr} {
		for range *connections {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := requests(ctx, addr, &answered); err != nil && ctx.Err() == nil {
						failed.Add(1)
					}
				}
			})
		}
	}
	fmt.Println("ready")
	wg.Wait()
	fmt.Printf("stats: %.0f requests a second, %d connections failed\n", float64(answered.Load())/time.Since(begin).Seconds(), failed.Load())
	return nil
}

// requests uses one connection until it fails or ctx ends.
func requests(ctx context.Context, addr string, answered *atomic.Uint64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for ctx.Err() == nil {
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")); err != nil {
			return err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		answered.Add(1)
		if resp.Close { // after a number of requests, as servers do
			return nil
		}
	}
	return nil
}
