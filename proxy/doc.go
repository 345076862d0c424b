// Package proxy carries HTTP requests to peers and their answers back: a reverse proxy to embed, with nginx's rules
// for retries, timeouts and limits.
//
// A [Proxy] is a policy: routes that lead to pools of peers or to handlers in this process, gates, limits, timeouts,
// and the warm connections to peers. There are two doors to it. The same policy code runs behind both, and one test
// suite holds them to it.
//
//   - [Proxy.ServeHTTP]: the Proxy is an [http.Handler], for any mux, middleware, TLS and HTTP/2 of net/http.
//   - [Proxy.Server]: the engine, an HTTP/1.1 server of our own. It is faster and stricter.
//
// A proxy over two peers:
//
//	pool, err := upstream.New(upstream.WithServer("10.0.0.1:80"), upstream.WithServer("10.0.0.2:80"))
//	p, err := proxy.New(proxy.WithPool(pool))
//	s := p.Server()
//	go s.Serve(listener)
//	...
//	s.Shutdown(ctx)
//
// # Forwarding
//
// The target is forwarded byte for byte, Host as the client sent it. Of an absolute-form target the part behind the
// authority is sent. Hop-by-hop fields (RFC 9110 section 7.6.1) and those named in Connection are removed in both
// directions; end-to-end fields such as Authorization cannot be removed by naming them. What the client says about
// where it comes from is not believed: X-Forwarded-For, X-Real-IP, X-Forwarded-Proto and X-Forwarded-Host are
// replaced by what the proxy sees, Forwarded and every other X-Forwarded field are dropped. Via is not added. Server
// and Date of the peer are passed on; a missing Date is added. Bodies are streamed, with a Content-Length as with one,
// of unknown length in chunks of our own; trailers are dropped. Expect: 100-continue is answered by the proxy once a
// connection to a peer is there. Of interim answers 103 is relayed, to HTTP/1.1 clients; the others are swallowed.
// Upgrade is not forwarded yet, a 101 is an invalid answer, and CONNECT is refused.
//
// A path that the choice of a route depends on, which is any but with a single route "/", is matched decoded and
// with runs of slashes merged; dot segments and backslashes in it, plain or encoded, are answered 400.
//
// # Retries
//
// A request goes to the next peer on [NextError] and [NextTimeout] by default, as long as no byte of an answer went
// to the client: always when no connection could be made, after that only for GET, HEAD, OPTIONS, TRACE, PUT and
// DELETE, and only if its body can be sent again, which it can while it fits the buffer of 16 KiB it came in. A kept
// connection that turns out to be closed is replaced at no charge to anyone. The answers of the proxy itself are 502
// (no peer, or it failed), 503 (all busy, or this host has run out of ports or descriptors for every one), 504 (too late), and
// those of gates and limits; a client that left before its answer is logged as 499.
//
// # Choosing a peer
//
// Balancers that hash place a request by its target as it was sent (nginx's $request_uri), IPHash by the address of the
// client's connection. A request waits where the pool has a queue; when that is full, or too slow, the answer is 503 with
// Retry-After. A client of the engine that leaves meanwhile keeps its place until then. Balancers that learn from response times are told when the head of an answer came.
//
// # What net/http decides
//
// Behind the handler door a request has been through net/http's parser, and some doubts are settled before the proxy
// can refuse them: Content-Length beside Transfer-Encoding (the length is dropped), equal lengths given twice (one is
// kept), Transfer-Encoding in HTTP/1.0 (ignored), lines that end in a bare LF and folded lines (accepted), white space
// around chunk sizes (accepted). What the proxy forwards is always written anew by it, so no such doubt reaches a
// peer. net/http also answers malformed heads, unknown expectations and its own limits itself, sends 100 (Continue)
// when the body is first read, joins repeated Host fields into a 400, and strips Content-Length from a 304. The time
// limits for heads and idle connections are those of [http.Server]. Use the engine where clients are hostile.
//
// # Concurrency
//
// Everything is safe for concurrent use. [Proxy.Update] swaps the whole policy in one step; requests under way end as
// they began. Gates and the access log run in the goroutine of the request. When the client goes away the connection
// to the peer is closed, within a second while its answer is awaited, and the peer is not blamed.
//
// # Cost
//
// No privilege. The engine runs one goroutine for each client connection, one more while a request body streams, and
// a timer that looks after idle connections to peers. A request in flight takes 48 KiB of pooled buffers; while a large
// body passes, 32 KiB more or, on the engine between two sockets, a pipe. An idle client connection takes about 4 KiB
// in all, as it holds none of them. A plain GET on kept connections allocates nothing. Waits are bounded by deadlines
// that are set coarsely, so that they cost nothing per request; the limits hold to the moment all the same.
//
// # Standards
//
// RFC 9110 (semantics), RFC 9112 (HTTP/1.1). What RFC 9112 lets a recipient repair the engine refuses.
//
// # Not built yet
//
// Routes by host name and regular expression, header rules, a list of trusted proxies, rewriting, PROXY protocol, Upgrade
// and WebSocket, trailers, HTTP/2 and TLS to peers, retry budgets, a cache, FastCGI.
package proxy
