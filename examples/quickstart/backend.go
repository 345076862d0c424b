//go:build unix

package main

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// backendConfig is what a backend is told: its name, and where to listen (port 0 at the first start, the same port later).
type backendConfig struct {
	Name   string `json:"name"`
	Listen string `json:"listen"`
}

// runBackend is the role of a small HTTP server that the balancers send requests to.
func runBackend(c backendConfig, out *emitter) error {
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	answer := []byte("hello from " + c.Name + "\n")
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(answer) // the balancer left: it asks another one
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	gone := commands(func(string) {})
	out.emit(event{Kind: "listening", Addr: ln.Addr().String()})
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }() // joined below, or ends with the process
	select {
	case err := <-failed:
		return err
	case <-gone:
		_ = server.Close()
		<-failed
		return nil
	}
}
