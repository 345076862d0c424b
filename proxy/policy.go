package proxy

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// policy is what decides about requests. It is immutable once it is in force; every request keeps the one it began with.
type policy struct {
	routes  table
	gates   []Gate
	headers [][2]string // added to every answer
	lines   []byte      // the same, as field lines

	connectTimeout, sendTimeout, readTimeout time.Duration // peers
	headerTimeout, bodyTimeout, writeTimeout time.Duration // clients

	keepAlive    time.Duration
	keepRequests int
	idlePeers    int
	idleTimeout  time.Duration
	idleRequests int

	limits      http1.Limits
	maxBody     int64
	next        Condition
	tries       int
	nextTimeout time.Duration

	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	accessLog func(*Record)
	log       *slog.Logger
}

// compile prepares what requests need ready-made. The clock is the proxy's.
func (c *config) compile(clk *clock) *policy {
	pol := c.policy
	pol.lines = nil
	for _, h := range pol.headers {
		pol.lines = http1.AppendField(pol.lines, h[0], h[1])
	}
	if pol.dial == nil {
		pol.dial = new(net.Dialer).DialContext
	}
	pol.routes = pol.routes.compile(clk)
	return &pol
}
