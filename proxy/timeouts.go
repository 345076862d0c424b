package proxy

import "time"

// WithConnectTimeout bounds a connection attempt to a peer (nginx: proxy_connect_timeout). Default 5s.
func WithConnectTimeout(d time.Duration) Option {
	return func(c *config) { c.connectTimeout = positive(c, "connect timeout", d) }
}

// WithSendTimeout bounds the wait between two writes to a peer (nginx: proxy_send_timeout). Default 60s.
func WithSendTimeout(d time.Duration) Option {
	return func(c *config) { c.sendTimeout = positive(c, "send timeout", d) }
}

// WithReadTimeout bounds the wait between two reads from a peer, the wait for its answer included (nginx:
// proxy_read_timeout). Default 60s.
func WithReadTimeout(d time.Duration) Option {
	return func(c *config) { c.readTimeout = positive(c, "read timeout", d) }
}

// WithHeaderTimeout bounds the time in which a client must have sent the whole head of a request, from its first
// byte on, or from the start of the connection (nginx: client_header_timeout). Default 60s. The engine answers 408,
// or closes a connection on which nothing came.
func WithHeaderTimeout(d time.Duration) Option {
	return func(c *config) { c.headerTimeout = positive(c, "header timeout", d) }
}

// WithBodyTimeout bounds the wait between two reads of a request's body (nginx: client_body_timeout). Default 60s;
// then the answer is 408.
func WithBodyTimeout(d time.Duration) Option {
	return func(c *config) { c.bodyTimeout = positive(c, "body timeout", d) }
}

// WithWriteTimeout bounds the wait between two writes to a client (nginx: send_timeout). Default 60s; then the
// connection is closed.
func WithWriteTimeout(d time.Duration) Option {
	return func(c *config) { c.writeTimeout = positive(c, "write timeout", d) }
}

// WithKeepAlive sets how long the engine keeps an idle client connection, and how many requests it serves on one
// (nginx: keepalive_timeout, keepalive_requests). Default 75s and 1,000. A timeout of 0 closes after each request.
func WithKeepAlive(timeout time.Duration, requests int) Option {
	return func(c *config) {
		if timeout < 0 {
			c.errorf("keep-alive timeout %v: want 0 or more", timeout)
		}
		c.keepAlive, c.keepRequests = timeout, positive(c, "keep-alive requests", requests)
	}
}

// WithUpstreamKeepAlive sets how many idle connections are kept for each peer, for how long, and how many requests
// are sent on one (nginx: keepalive, keepalive_timeout, keepalive_requests of an upstream block). Default 512, 60s
// and 1,000. No idle connections at all (0) means a new connection for every request. None is kept for more than an
// hour (nginx: keepalive_time).
func WithUpstreamKeepAlive(idle int, timeout time.Duration, requests int) Option {
	return func(c *config) {
		if idle < 0 {
			c.errorf("idle connections %d: want 0 or more", idle)
		}
		c.idlePeers = idle
		c.idleTimeout = positive(c, "upstream keep-alive timeout", timeout)
		c.idleRequests = positive(c, "upstream keep-alive requests", requests)
	}
}

// maxAge is how old a connection to a peer may become (nginx: keepalive_time).
const maxAge = time.Hour

// WithMaxBody bounds the body of a request, in bytes (nginx: client_max_body_size). Default 1 MiB; 0 is unlimited.
// A larger one is answered 413, before its peer is asked where the length is declared.
func WithMaxBody(n int64) Option {
	return func(c *config) {
		if n < 0 {
			c.errorf("max body %d: want 0 or more", n)
		}
		c.maxBody = n
	}
}

// WithMaxHeader bounds the head of a message, in bytes and in fields, from a client (431) and from a peer (502).
// Default 32 KiB and 100.
func WithMaxHeader(bytes, fields int) Option {
	return func(c *config) {
		c.limits.Head = positive(c, "max header bytes", bytes)
		c.limits.Fields = positive(c, "max header fields", fields)
	}
}

// WithNextUpstream sets on which trouble a request is sent to the next peer (nginx: proxy_next_upstream). Default
// [NextError] and [NextTimeout]; without an argument none. A connection that could not be made, and a kept connection
// that its peer had closed, are always tried again: nothing was sent.
func WithNextUpstream(conds ...Condition) Option {
	return func(c *config) {
		c.next = 0
		for _, cond := range conds {
			if cond&^allConditions != 0 {
				c.errorf("next upstream: unknown condition %#x", uint(cond))
			}
			c.next |= cond
		}
	}
}

// WithNextUpstreamTries bounds the attempts of one request, the first included (nginx: proxy_next_upstream_tries).
// Default 0: as many as there are peers.
func WithNextUpstreamTries(n int) Option {
	return func(c *config) {
		if n < 0 {
			c.errorf("next upstream tries %d: want 0 or more", n)
		}
		c.tries = n
	}
}

// WithNextUpstreamTimeout bounds the time, from the first choice of a peer on, in which a request may be passed to
// the next (nginx: proxy_next_upstream_timeout). Default 0: unbounded.
func WithNextUpstreamTimeout(d time.Duration) Option {
	return func(c *config) {
		if d < 0 {
			c.errorf("next upstream timeout %v: want 0 or more", d)
		}
		c.nextTimeout = d
	}
}
