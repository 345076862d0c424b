package proxy

import (
	"net/http"
	"net/netip"
)

// Request is a request as gates see it. It is valid until the gate's Enter returns, or for the access log until that
// call returns. The methods that return strings allocate on the engine, those that return an address do not.
type Request struct{ ex *exchange }

// Method is the method, as sent.
func (r *Request) Method() string { return methodName(r.ex.req.Method) }

// Path is the path of the target as it came: not decoded.
func (r *Request) Path() string { return string(r.ex.req.Path) }

// Query is what follows the question mark of the target, without it and not decoded.
func (r *Request) Query() string { return string(r.ex.req.Query) }

// Host is the host asked for, with the port if one was given. It is empty only for an HTTP/1.0 request without one.
func (r *Request) Host() string { return string(r.ex.req.Host) }

// Header is the value of the first field of that name, in any case; "" without one.
func (r *Request) Header(name string) string {
	v, _ := r.ex.req.Lookup(name)
	return string(v)
}

// RemoteAddr is the other end of the client's connection: the invalid AddrPort for one that is not TCP.
func (r *Request) RemoteAddr() netip.AddrPort { return r.ex.remote }

// Route is the pattern of the route the request took, "" before it is known.
func (r *Request) Route() string {
	if r.ex.route == nil {
		return ""
	}
	return r.ex.route.pattern
}

// HTTP is the request as net/http knows it: the very request on the handler door, one that is made now and kept for
// the rest of the exchange on the engine. Its body must not be read.
func (r *Request) HTTP() *http.Request { return r.ex.down.http() }

// methodName is the method as a string, without allocation for the usual ones.
func methodName(m []byte) string {
	switch string(m) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	case "PATCH":
		return "PATCH"
	}
	return string(m)
}
