package proxy

import (
	"sync/atomic"

	"github.com/mainstay-ha/mainstay/upstream"
)

// stat is a counter of the proxy.
type stat uint8

const (
	statRequests    stat = iota // heads that were parsed
	statBadRequests             // heads that were refused
	statRefused                 // by a gate
	statAborts                  // the client went away before the answer was whole
	statCut                     // answers cut because the peer's ended early
	statOwn                     // answers made here
	statAttempts                // peers asked
	statFailures                // of these, charged to the peer
	statRetries                 // attempts after the first of a request
	statStale                   // kept connections found closed
	statDials                   // connections made to peers
	statReused                  // attempts on a kept connection
	statPanics                  // of handlers and gates
	stat1xx                     // interim answers relayed
	stat2xx                     // answers by class
	stat3xx
	stat4xx
	stat5xx
	statBytesIn  // payload from clients
	statBytesOut // payload to clients
	statConns    // client connections of the engine, accepted
	statConnsEnd // and of these, ended
	numStats
)

// shards is a power of two.
const shards = 8

// stats is split so that cores do not share a cache line. An exchange stays with one shard.
type stats struct {
	shard [shards]struct {
		n [numStats]atomic.Int64
		_ [128]byte
	}
}

func (s *stats) add(ex *exchange, st stat) { s.shard[ex.shard].n[st].Add(1) }

func (s *stats) addN(ex *exchange, st stat, n int64) {
	if n != 0 {
		s.shard[ex.shard].n[st].Add(n)
	}
}

// count is add for what happens to connections.
func (s *stats) count(st stat) { s.shard[0].n[st].Add(1) }

func (s *stats) total(st stat) (n int64) {
	for i := range s.shard {
		n += s.shard[i].n[st].Load()
	}
	return n
}

// Snapshot is the state of a [Proxy]. The counters run since New and never go back.
type Snapshot struct {
	Requests     int64            `json:"requests"`      // heads parsed, both doors
	BadRequests  int64            `json:"bad_requests"`  // heads refused
	Refused      int64            `json:"refused"`       // by a gate
	Aborts       int64            `json:"aborts"`        // clients that left before their answer was whole
	Cut          int64            `json:"cut"`           // answers cut because the peer's ended early
	Own          int64            `json:"own"`           // answers made by the proxy itself
	Attempts     int64            `json:"attempts"`      // peers asked
	Failures     int64            `json:"failures"`      // attempts charged to their peer
	Retries      int64            `json:"retries"`       // attempts after the first of a request
	Stale        int64            `json:"stale"`         // kept connections found closed, replaced at no charge
	Dials        int64            `json:"dials"`         // connections made to peers
	Reused       int64            `json:"reused"`        // attempts on a kept connection
	Panics       int64            `json:"panics"`        // of handlers and gates
	Responses    map[string]int64 `json:"responses"`     // answers by class: "1xx" (relayed), "2xx" to "5xx"
	BytesIn      int64            `json:"bytes_in"`      // payload from clients
	BytesOut     int64            `json:"bytes_out"`     // payload to clients
	Accepted     int64            `json:"accepted"`      // client connections of the engine
	Connections  int64            `json:"connections"`   // of these, open now
	IdleUpstream []IdleConns      `json:"idle_upstream"` // kept connections by peer
}

// IdleConns is how many idle connections to one peer are kept.
type IdleConns struct {
	Group   string `json:"group"`
	Backend string `json:"backend"`
	Idle    int    `json:"idle"`
}

var classes = [...]struct {
	stat  stat
	label string
}{{stat1xx, "1xx"}, {stat2xx, "2xx"}, {stat3xx, "3xx"}, {stat4xx, "4xx"}, {stat5xx, "5xx"}}

// Snapshot returns the state of the proxy. It does not stop it: counters may be from slightly different moments.
func (p *Proxy) Snapshot() Snapshot {
	t := p.stats.total
	ended := t(statConnsEnd)
	s := Snapshot{
		Requests: t(statRequests), BadRequests: t(statBadRequests), Refused: t(statRefused), Aborts: t(statAborts),
		Cut: t(statCut), Own: t(statOwn), Attempts: t(statAttempts), Failures: t(statFailures), Retries: t(statRetries),
		Stale: t(statStale), Dials: t(statDials), Reused: t(statReused), Panics: t(statPanics),
		BytesIn: t(statBytesIn), BytesOut: t(statBytesOut), Accepted: t(statConns),
		Responses: make(map[string]int64, len(classes)),
	}
	s.Connections = s.Accepted - ended
	for _, c := range classes {
		s.Responses[c.label] = t(c.stat)
	}
	p.store.each(func(b *upstream.Backend, idle int) {
		s.IdleUpstream = append(s.IdleUpstream, IdleConns{b.Group(), b.ID(), idle})
	})
	return s
}

// Collect gives every metric to emit: its name, its kind ('c' for a counter, 'g' for a gauge), its value, and its
// labels as key and value in turn. All begin with mainstay_proxy_:
//
//   - requests_total, bad_requests_total, refused_total, client_aborts_total, cut_answers_total, own_answers_total,
//     panics_total, received_bytes_total, sent_bytes_total; responses_total by class;
//   - attempts_total, attempt_failures_total, retries_total, stale_connections_total, upstream_dials_total,
//     upstream_reused_total;
//   - connections_accepted_total, and the gauge connections_open, of the engine;
//   - the gauge upstream_idle_connections, by group and backend.
func (p *Proxy) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	count := func(name string, st stat, labels ...string) { emit(name, 'c', float64(p.stats.total(st)), labels...) }
	count("mainstay_proxy_requests_total", statRequests)
	count("mainstay_proxy_bad_requests_total", statBadRequests)
	count("mainstay_proxy_refused_total", statRefused)
	count("mainstay_proxy_client_aborts_total", statAborts)
	count("mainstay_proxy_cut_answers_total", statCut)
	count("mainstay_proxy_own_answers_total", statOwn)
	count("mainstay_proxy_attempts_total", statAttempts)
	count("mainstay_proxy_attempt_failures_total", statFailures)
	count("mainstay_proxy_retries_total", statRetries)
	count("mainstay_proxy_stale_connections_total", statStale)
	count("mainstay_proxy_upstream_dials_total", statDials)
	count("mainstay_proxy_upstream_reused_total", statReused)
	count("mainstay_proxy_panics_total", statPanics)
	count("mainstay_proxy_received_bytes_total", statBytesIn)
	count("mainstay_proxy_sent_bytes_total", statBytesOut)
	count("mainstay_proxy_connections_accepted_total", statConns)
	ended := p.stats.total(statConnsEnd)
	emit("mainstay_proxy_connections_open", 'g', float64(p.stats.total(statConns)-ended))
	for _, c := range classes {
		count("mainstay_proxy_responses_total", c.stat, "class", c.label)
	}
	p.store.each(func(b *upstream.Backend, idle int) {
		emit("mainstay_proxy_upstream_idle_connections", 'g', float64(idle), "group", b.Group(), "backend", b.ID())
	})
}

// answered counts an answer by its class.
func (s *stats) answered(ex *exchange, status int) {
	if class := status / 100; class >= 2 && class <= 5 {
		s.add(ex, stat2xx+stat(class-2))
	}
}
