package healthcheck

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// HTTPChecker is the checker that [HTTP] makes.
type HTTPChecker struct {
	dial     dialer
	method   string
	path     string
	host     string
	fields   [][2]string
	statuses [][2]int
	maxBody  int64

	tail string // of the request: what follows the Host field's value
	bad  error  // every bad option
}

var _ Checker = (*HTTPChecker)(nil)

// HTTP returns a checker that passes when the target answers a request over
// HTTP/1.1 with an accepted status and a complete body within the timeout. By
// default it asks for GET / with the target's Addr as Host and accepts 200 to
// 299, as keepalived's HTTP_GET does.
//
// Every check uses a connection of its own and asks for Connection: close. No
// redirect is followed (3xx is a status like any other), no proxy of the
// environment is used, the body is neither decompressed nor kept. A header of
// more than 64 KiB, a body longer than [WithMaxBody], an answer that is not
// HTTP/1 or that ends early is a failure. After a complete answer the server
// has a second, but not past the deadline, to close the connection first;
// otherwise, and after every failure, it is reset: checks leave no TIME_WAIT.
//
// The errors of its results are [*CheckError]. Bad options are reported by
// [Manager.Add], all at once.
func HTTP(opts ...HTTPOption) *HTTPChecker {
	c := &HTTPChecker{dial: direct.DialContext, method: http.MethodGet, path: "/", maxBody: 64 << 10}
	var missing error
	for i, o := range opts {
		if o == nil {
			missing = errors.Join(missing, fmt.Errorf("option %d is nil", i+1))
			continue
		}
		o.applyHTTP(c)
	}
	if len(c.statuses) == 0 {
		c.statuses = [][2]int{{200, 299}}
	}
	tail := "\r\nConnection: close\r\n"
	if !slices.ContainsFunc(c.fields, func(f [2]string) bool { return strings.EqualFold(f[0], "User-Agent") }) {
		tail += "User-Agent: mainstay-healthcheck\r\n"
	}
	for _, f := range c.fields {
		tail += f[0] + ": " + f[1] + "\r\n"
	}
	c.tail = tail + "\r\n"
	c.bad = errors.Join(missing, c.problems())
	return c
}

type httpOption func(*HTTPChecker)

func (o httpOption) applyHTTP(c *HTTPChecker) { o(c) }

// WithMethod sets the request method; default GET. Any but CONNECT; no body is
// ever sent.
func WithMethod(method string) HTTPOption {
	return httpOption(func(c *HTTPChecker) { c.method = method })
}

// WithPath sets the path, with a query if wanted, as it goes on the wire
// (percent-encoded); default "/".
func WithPath(path string) HTTPOption {
	return httpOption(func(c *HTTPChecker) { c.path = path })
}

// WithHost sets the Host field; default the target's Addr.
func WithHost(host string) HTTPOption {
	return httpOption(func(c *HTTPChecker) { c.host = host })
}

// WithHeader adds a request field; may be given several times. The fields that
// frame the message or steer the connection are the checker's own and refused:
// Host, Connection, Content-Length, Transfer-Encoding, Expect, TE, Trailer, Upgrade.
func WithHeader(name, value string) HTTPOption {
	return httpOption(func(c *HTTPChecker) { c.fields = append(c.fields, [2]string{name, value}) })
}

// WithStatus accepts the statuses from first to last, both included, instead of
// the default of 200 to 299; may be given several times. Range 101 to 599.
func WithStatus(first, last int) HTTPOption {
	return httpOption(func(c *HTTPChecker) { c.statuses = append(c.statuses, [2]int{first, last}) })
}

// WithMaxBody sets how many bytes of body an answer may have; default 65536,
// range 0 to 1 GiB. The body is read in small pieces and never kept.
func WithMaxBody(n int64) HTTPOption {
	return httpOption(func(c *HTTPChecker) { c.maxBody = n })
}

// reserved fields belong to the checker.
var reserved = []string{"Host", "Connection", "Content-Length", "Transfer-Encoding", "Expect", "Te", "Trailer", "Upgrade"}

// Validate reports every bad option of HTTP, and an Addr of t that is not host:port.
func (c *HTTPChecker) Validate(t Target) error {
	if err := errors.Join(c.bad, validateAddr(t.Addr)); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}

func (c *HTTPChecker) problems() error {
	var problems []error
	problem := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	if c.dial == nil {
		problems = append(problems, errNoDialer)
	}
	problem(!validToken(c.method), "WithMethod of %q: not a token", c.method)
	problem(c.method == http.MethodConnect, "WithMethod of CONNECT")
	problem(!validPath(c.path), "WithPath of %q, want a path from \"/\" on, percent-encoded", c.path)
	problem(!validHost(c.host), "WithHost of %q", c.host)
	for _, f := range c.fields {
		problem(!validToken(f[0]) || !validValue(f[1]), "WithHeader of %q: %q", f[0], f[1])
		problem(slices.Contains(reserved, http.CanonicalHeaderKey(f[0])), "WithHeader of %q: the field is the checker's own", f[0])
	}
	for _, s := range c.statuses {
		problem(s[0] < 101 || s[1] > 599 || s[0] > s[1], "WithStatus of %d to %d, want 101 to 599", s[0], s[1])
	}
	problem(c.maxBody < 0 || c.maxBody > 1<<30, "WithMaxBody of %d, want 0 to %d", c.maxBody, 1<<30)
	return errors.Join(problems...)
}

// validPath reports whether p can stand in a request line: RFC 9112 section
// 3.2.1, origin-form.
func validPath(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' })
}

// validToken: RFC 9110 section 5.6.2.
func validToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// validValue: RFC 9110 section 5.5, without what a recipient must refuse.
func validValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// validHost lets through what may be a host with a port; empty means the default.
func validHost(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"#%/<>?@\^`+"`{|}", r)
	})
}
