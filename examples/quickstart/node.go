//go:build unix

package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-ha/mainstay/healthcheck"
	"github.com/mainstay-ha/mainstay/internal/debugdoor"
	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/ratelimit"
	"github.com/mainstay-ha/mainstay/upstream"
	"github.com/mainstay-ha/mainstay/vrrp"
)

const (
	vrid       = 51
	nodeHeader = "X-Node" // names the node in every answer
)

// nodeConfig is what a balancer node is told.
type nodeConfig struct {
	Name     string         `json:"name"`
	Peer     string         `json:"peer"`
	Priority uint8          `json:"priority"`
	Interval time.Duration  `json:"interval"`
	Secret   string         `json:"secret"`
	Local    netip.AddrPort `json:"local"`
	Remote   netip.AddrPort `json:"remote"`
	Backends []string       `json:"backends"`
}

// A node is one balancer: health checks, a pool, the engine, and a VRRP router that says when to accept.
type node struct {
	nodeConfig
	out    *emitter
	pool   *upstream.Pool
	checks *healthcheck.Manager
	proxy  *proxy.Proxy
	router *vrrp.Router
	holder *holder
	peer   atomic.Pointer[string] // the other node's debug door
}

// runNode is the role of a balancer. Start order: listen, first health verdicts, then VRRP. It ends when the parent is gone,
// or by the command drain.
func runNode(c nodeConfig, inherited *os.File, out *emitter) error {
	n := &node{nodeConfig: c, out: out}
	if err := n.build(inherited); err != nil {
		return err
	}
	defer n.proxy.Close()

	drain := make(chan struct{})
	var drained sync.Once
	gone := commands(func(line string) {
		if addr, ok := strings.CutPrefix(line, "peer "); ok {
			n.peer.Store(&addr)
		}
		if line == "drain" {
			drained.Do(func() { close(drain) })
		}
	})

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	debug := &http.Server{Handler: debugdoor.Handler(n.snapshots()), ReadHeaderTimeout: 5 * time.Second}
	out.emit(event{Kind: "ready", Addr: ln.Addr().String()})

	// Each role has a context of its own, so that they can end one after the other.
	checking, endChecking := context.WithCancel(context.Background())
	routing, endRouting := context.WithCancel(context.Background())
	defer endChecking()
	defer endRouting()
	failed := make(chan error, 3)
	role := func(run func() error) (done chan struct{}) {
		done = make(chan struct{})
		go func() { // joined below by done, or ends with the process
			defer close(done)
			if err := run(); err != nil {
				failed <- err
			}
		}()
		return done
	}
	debugging := role(func() error { return serveDebug(debug, ln) })
	checked := role(func() error { return n.checks.Run(checking) })
	routed := role(func() error {
		if err := n.checks.WaitReady(routing); err != nil {
			return nil // ended before the first verdicts
		}
		return n.router.Run(routing)
	})

	select {
	case err = <-failed:
		return err
	case <-gone:
		return nil // with the parent the service is over: nobody to drain for
	case <-drain:
	}
	// The address first: it is kept until the heir's first advert. Then what this node has accepted.
	err = n.router.Yield(routing)
	endRouting()
	<-routed
	n.holder.wait()
	endChecking()
	<-checked
	_ = debug.Close()
	<-debugging
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default:
	}
	return err
}

func serveDebug(s *http.Server, ln net.Listener) error {
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// build makes every part of the node; nothing runs yet.
func (n *node) build(inherited *os.File) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	servers := []upstream.Option{upstream.WithName("backends")}
	for _, addr := range n.Backends {
		servers = append(servers, upstream.WithServer(addr, upstream.MaxFails(1), upstream.FailTimeout(time.Second)))
	}
	var err error
	if n.pool, err = upstream.New(servers...); err != nil {
		return err
	}
	if err := n.buildChecks(log); err != nil {
		return err
	}
	if err := n.buildProxy(log); err != nil {
		return err
	}
	n.holder = &holder{inherited: inherited, proxy: n.proxy, drained: func() { n.out.emit(event{Kind: "drained"}) }}
	return n.buildRouter(log)
}

func (n *node) buildChecks(log *slog.Logger) error {
	var err error
	n.checks, err = healthcheck.New(healthcheck.WithLogger(log), healthcheck.WithOnChange(func(e healthcheck.Event) {
		if err := n.pool.SetHealth(e.ID, "http", e.Up, e.Err); err != nil {
			log.Error("health verdict", "backend", e.ID, "err", err)
			return
		}
		n.out.emit(event{Kind: "backend", ID: e.ID, Up: e.Up})
	}))
	if err != nil {
		return err
	}
	check := healthcheck.HTTP(healthcheck.WithPath("/health"))
	for _, addr := range n.Backends {
		_, err := n.checks.Add(healthcheck.Target{Group: "backends", ID: addr, Addr: addr}, check, healthcheck.Policy{
			Interval: 500 * time.Millisecond, FastInterval: 100 * time.Millisecond, DownInterval: 250 * time.Millisecond,
			Timeout: 200 * time.Millisecond, Rise: 2, Fall: 2,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// buildProxy makes three routes: everything, the same with a limit of one request a second and client, and the status.
func (n *node) buildProxy(log *slog.Logger) error {
	zone, err := ratelimit.NginxZone[netip.Addr]("1r/s", ratelimit.WithCapacity(1024))
	if err != nil {
		return err
	}
	byClient := func(r *proxy.Request) (netip.Addr, bool) { return r.RemoteAddr().Addr(), true }
	chain, err := ratelimit.NewChain(ratelimit.On(zone, byClient, ratelimit.Burst(5), ratelimit.NoDelay()))
	if err != nil {
		return err
	}
	limited := proxy.Gate{Enter: func(r *proxy.Request) proxy.Verdict {
		return proxy.Verdict(chain.Decide(chain.Now(), r).Verdict(http.StatusTooManyRequests))
	}}
	n.proxy, err = proxy.New(
		proxy.WithPool(n.pool),
		proxy.WithRoute("/limited", n.pool, proxy.RouteGate(limited)),
		proxy.WithHandler("= /status", http.HandlerFunc(n.status)),
		proxy.WithResponseHeader(nodeHeader, n.Name),
		proxy.WithLogger(log),
	)
	return err
}

// buildRouter makes a router without a virtual address: what moves is the right to accept.
func (n *node) buildRouter(log *slog.Logger) error {
	secret, err := hex.DecodeString(n.Secret)
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	key, err := vrrp.NewHMACKey(1, secret)
	if err != nil {
		return err
	}
	transport, err := vrrp.UDPTransport(n.Local, key, n.Remote)
	if err != nil {
		return err
	}
	n.router, err = vrrp.New(vrid, nil,
		vrrp.WithTransport(transport),
		vrrp.WithPriority(n.Priority),
		vrrp.WithInterval(n.Interval),
		vrrp.WithAddresses(vrrp.FuncAddresses(n.holder.take, n.holder.leave)),
		vrrp.WithOnTransition(func(t vrrp.Transition) { n.out.emit(event{Kind: "state", State: t.To.String()}) }),
		vrrp.WithLogger(log),
	)
	return err
}

func (n *node) snapshots() map[string]func() any {
	return map[string]func() any{
		"healthcheck": func() any { return n.checks.Snapshot() },
		"proxy":       func() any { return n.proxy.Snapshot() },
		"upstream":    func() any { return n.pool.Snapshot() },
		"vrrp":        func() any { return n.router.Snapshot() },
	}
}

// status answers with the snapshots of both nodes; the peer's come from its debug door.
func (n *node) status(w http.ResponseWriter, r *http.Request) {
	own := make(map[string]any)
	for name, snapshot := range n.snapshots() {
		own[name] = snapshot()
	}
	var peer any
	if b, err := n.askPeer(r.Context()); err != nil {
		peer = map[string]string{"err": err.Error()}
	} else {
		peer = json.RawMessage(b)
	}
	debugdoor.Snapshots(map[string]func() any{
		n.Name: func() any { return own },
		n.Peer: func() any { return peer },
	}).ServeHTTP(w, r)
}

func (n *node) askPeer(ctx context.Context) ([]byte, error) {
	addr := n.peer.Load()
	if addr == nil {
		return nil, errors.New("not started")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+*addr+"/debug/snapshot", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	const most = 1 << 20
	b, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err == nil && !json.Valid(b) {
		err = fmt.Errorf("no JSON from %s: %s", *addr, answer.Status)
	}
	return b, err
}
