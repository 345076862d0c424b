package proxy

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// Proxy is the policy of a reverse proxy, the idle connections to its peers, and one of the two doors: it is an
// [http.Handler]. [Proxy.Server] makes the other. All methods are safe for concurrent use.
type Proxy struct {
	clk   *clock
	pol   atomic.Pointer[policy]
	store *store
	stats stats
	pipes pipes
	dates http1.DateCache

	mu  sync.Mutex // guards cfg and one Update at a time
	cfg *config
}

var _ http.Handler = (*Proxy)(nil)

// New returns a proxy. It needs at least one route; it reports every problem of its options at once, joined.
func New(opts ...Option) (*Proxy, error) {
	cfg, err := defaults().apply(opts)
	if err != nil {
		return nil, err
	}
	clk := newClock()
	p := &Proxy{clk: clk, store: newStore(clk), cfg: cfg}
	p.pol.Store(cfg.compile(clk))
	return p, nil
}

// Update changes the policy in one step. What opts do not name keeps its value; routes, gates and response headers
// that are named replace all there were of their kind. On an error nothing changes. Requests under way end as they
// began, and idle connections to peers stay.
func (p *Proxy) Update(opts ...Option) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg, err := p.cfg.apply(opts)
	if err != nil {
		return err
	}
	p.cfg = cfg
	p.pol.Store(cfg.compile(p.clk))
	return nil
}

// Close closes the idle connections to peers and keeps none from now on. It is idempotent, and it ends neither
// requests under way nor servers.
func (p *Proxy) Close() error {
	p.store.close()
	p.pipes.close()
	return nil
}
