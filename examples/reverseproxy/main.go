// Command reverseproxy is an HTTP reverse proxy on the command line: one pool of servers behind one address.
//
//	go run ./examples/reverseproxy -listen 127.0.0.1:8080 -upstream 127.0.0.1:9001 -upstream 127.0.0.1:9002,weight=3
//
// SIGTERM and Ctrl-C drain: new connections are refused, requests under way get up to ten seconds to finish.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mainstay-ha/mainstay/internal/debugdoor"
	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

// drainTime is how long requests under way may take after SIGTERM.
const drainTime = 9 * time.Second

// options are the program's flags.
type options struct {
	listen  string
	debug   string
	balance string
	door    string
	maxBody int64
	servers upstreams
	log     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "reverseproxy:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string, output io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("reverseproxy", flag.ContinueOnError)
	set.SetOutput(output)
	set.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address to listen on")
	set.Var(&o.servers, "upstream", "`addr[,weight=N,max_fails=N,fail_timeout=D,max_conns=N,slow_start=D,priority=N,backup,down]`, repeatable")
	set.StringVar(&o.balance, "balance", "rr", "`RULE` of choice: "+balancerNames())
	set.StringVar(&o.door, "door", "engine", "engine (our HTTP/1.1 server) or handler (net/http in front)")
	set.Int64Var(&o.maxBody, "max-body", 0, "largest request body in bytes, 0 is unlimited")
	set.BoolVar(&o.log, "log", false, "write an access log to standard error")
	set.StringVar(&o.debug, "debug", "", "loopback address of a debug door with profiles and snapshots, empty is none")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	switch {
	case set.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", set.Arg(0))
	case len(o.servers) == 0:
		return o, errors.New("no -upstream: want at least one server")
	case o.door != "engine" && o.door != "handler":
		return o, fmt.Errorf("-door %q: want engine or handler", o.door)
	case o.maxBody < 0:
		return o, fmt.Errorf("-max-body %d: want 0 or more", o.maxBody)
	}
	return o, nil
}

// run serves until ctx ends, then drains.
func run(ctx context.Context, args []string, output io.Writer) error {
	o, err := parseFlags(args, output)
	if err != nil {
		return err
	}
	balance, err := balancer(o.balance)
	if err != nil {
		return err
	}
	pool, err := upstream.New(append(o.servers, upstream.WithName("peers"), upstream.WithBalancer(balance))...)
	if err != nil {
		return err
	}
	settings := []proxy.Option{proxy.WithPool(pool), proxy.WithMaxBody(o.maxBody)}
	if o.log {
		log := slog.New(slog.NewTextHandler(output, nil))
		settings = append(settings, proxy.WithLogger(log), proxy.WithAccessLog(proxy.SlogAccess(log)))
	}
	p, err := proxy.New(settings...)
	if err != nil {
		return err
	}
	defer p.Close()
	if o.debug != "" {
		ln, err := net.Listen("tcp", o.debug)
		if err != nil {
			return fmt.Errorf("-debug: %w", err)
		}
		door := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: debugdoor.Handler(map[string]func() any{
			"upstream": func() any { return pool.Snapshot() },
			"proxy":    func() any { return p.Snapshot() },
		})}
		served := make(chan struct{})
		go func() { defer close(served); _ = door.Serve(ln) }() // ends with Close below
		defer func() { _ = door.Close(); <-served }()
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	fmt.Fprintf(output, "reverseproxy: listening on %s\n", ln.Addr())
	return serve(ctx, server(p, o.door), ln)
}

// A door is what both ways into the proxy have in common.
type door interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

func server(p *proxy.Proxy, name string) door {
	if name == "handler" {
		return &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, IdleTimeout: 75 * time.Second}
	}
	return p.Server()
}

// serve returns when the door fails, or when ctx has ended and what was under way is done or out of time.
func serve(ctx context.Context, d door, ln net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- d.Serve(ln) }() // joined below
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := d.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain: %w", err), d.Close())
	}
	if served := <-served; served != nil && !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
