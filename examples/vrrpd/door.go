package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/mainstay-ha/mainstay/internal/debugdoor"
	"github.com/mainstay-ha/mainstay/vrrp"
)

// door serves the pages of -status:
//
//	/status    every router as JSON, by name
//	/metrics   the same as figures, in Prometheus' text format
//	/healthz   200 while every router takes part in its election, 503 in a fault and while stopping
//	/debug/    profiles, at a loopback address only
type door struct {
	server *http.Server
	served chan struct{}
}

// open begins to serve; err is about the address.
func (d *daemon) open(address string) (*door, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-status: %w", err)
	}
	at, err := netip.ParseAddrPort(ln.Addr().String())
	o := &door{
		server: &http.Server{Handler: d.pages(err == nil && at.Addr().IsLoopback()), ReadHeaderTimeout: 5 * time.Second},
		served: make(chan struct{}),
	}
	d.log.Info("status", "addr", ln.Addr().String())
	go func() { // joined by close
		defer close(o.served)
		if err := o.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("status", "err", err) // no reason to give an address up
		}
	}()
	return o, nil
}

func (o *door) close() {
	_ = o.server.Close()
	<-o.served
}

func (d *daemon) pages(debug bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) { debugdoor.Snapshots(d.snapshots()).ServeHTTP(w, r) })
	mux.HandleFunc("GET /metrics", d.metrics)
	mux.HandleFunc("GET /healthz", d.healthz)
	if debug {
		mux.Handle("/debug/", debugdoor.Handler(map[string]func() any{"healthcheck": func() any { return d.checks.manager.Snapshot() }}))
	}
	return mux
}

func (d *daemon) snapshots() map[string]func() any {
	out := map[string]func() any{}
	for _, l := range d.list() {
		out[l.name] = func() any { return l.router.Snapshot() }
	}
	return out
}

// healthz tells a supervisor, not a client: a Backup is as healthy as an Active router.
func (d *daemon) healthz(w http.ResponseWriter, _ *http.Request) {
	if d.stopping.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	out := ""
	for _, l := range d.list() {
		if s := l.router.Snapshot(); s.State == vrrp.Fault {
			out += fmt.Sprintf("%s: %v %v\n", l.name, s.State, s.Faults)
		}
	}
	if out != "" {
		http.Error(w, out, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
