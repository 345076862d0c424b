package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mainstay-ha/mainstay/upstream"
)

// route leads to a pool or to a handler.
type route struct {
	pattern string
	path    string // the pattern without "= "
	exact   bool
	pool    *upstream.Pool
	handler http.Handler
	gates   []Gate
	ahead   int64 // the pool's clock minus the proxy's
}

// table finds the route of a path: the exact one, else the longest prefix (nginx: location).
type table struct {
	list  []*route // as configured
	order []*route // exact ones first, then longer prefixes before shorter
	only  *route   // the one route, if it takes every path
}

// validate reports what is wrong with the routes.
func (t *table) validate() (errs []error) {
	if len(t.list) == 0 {
		return []error{errors.New("proxy: no route: want WithPool, WithRoute or WithHandler")}
	}
	seen := make(map[string]bool)
	for _, r := range t.list {
		path, exact := strings.CutPrefix(r.pattern, "= ")
		switch {
		case !strings.HasPrefix(path, "/"):
			errs = append(errs, fmt.Errorf(`proxy: route %q: want "/prefix" or "= /path"`, r.pattern))
		case path != cleaned(path):
			errs = append(errs, fmt.Errorf("proxy: route %q: a path is matched decoded, without dot segments and double slashes", r.pattern))
		case seen[r.pattern]:
			errs = append(errs, fmt.Errorf("proxy: route %q: given twice", r.pattern))
		}
		seen[r.pattern] = true
		r.path, r.exact = path, exact
	}
	return errs
}

// cleaned is the path as requests' paths are matched, "" for one that never matches.
func cleaned(path string) string {
	b, ok := normalise(nil, []byte(path))
	if !ok || strings.ContainsAny(path, "?#") {
		return ""
	}
	return string(b)
}

// compile returns a table ready for match.
func (t *table) compile(clk *clock) table {
	c := table{list: t.list}
	for _, r := range t.list {
		r := *r
		if r.pool != nil {
			r.ahead = r.pool.Now() - clk.now()
		}
		c.order = append(c.order, &r)
	}
	slices.SortStableFunc(c.order, func(a, b *route) int {
		if a.exact != b.exact {
			if a.exact {
				return -1
			}
			return 1
		}
		return len(b.path) - len(a.path)
	})
	if len(c.order) == 1 && c.order[0].pattern == "/" {
		c.only = c.order[0]
	}
	return c
}

// match finds the route of a request's path, as it was received. It returns nil where no route fits, and false for a
// path that the choice of a route must not depend on. scratch is memory to decode into.
func (t *table) match(path, scratch []byte) (*route, bool) {
	if t.only != nil {
		return t.only, true
	}
	if !plain(path) {
		var ok bool
		if path, ok = normalise(scratch[:0], path); !ok {
			return nil, false
		}
	}
	for _, r := range t.order {
		switch {
		case len(path) < len(r.path) || string(path[:len(r.path)]) != r.path:
		case !r.exact || len(path) == len(r.path):
			return r, true
		}
	}
	return nil, true
}

// plain reports whether a path is the same before and after normalise.
func plain(path []byte) bool {
	slash := false
	for _, c := range path {
		switch c {
		case '%', '\\':
			return false
		case '/':
			if slash {
				return false
			}
			slash = true
		case '.':
			if slash {
				return false
			}
			slash = false
		default:
			slash = false
		}
	}
	return true
}

// normalise appends the path decoded and with runs of slashes merged. It reports false where a peer could understand
// the path differently from us: dot segments, NUL and backslash, plain or encoded, and a bad encoding.
func normalise(dst, path []byte) ([]byte, bool) {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if i+2 >= len(path) {
				return nil, false
			}
			hi, lo := unhex(path[i+1]), unhex(path[i+2])
			if hi > 15 || lo > 15 {
				return nil, false
			}
			c = hi<<4 | lo
			i += 2
		}
		if c == 0 || c == '\\' {
			return nil, false
		}
		if c == '/' {
			if dotted(dst) {
				return nil, false
			}
			if len(dst) > 0 && dst[len(dst)-1] == '/' {
				continue
			}
		}
		dst = append(dst, c)
	}
	return dst, !dotted(dst)
}

// dotted reports whether the last segment of a path is "." or "..".
func dotted(path []byte) bool {
	n := len(path)
	if n > 0 && path[n-1] == '.' {
		n--
		if n > 0 && path[n-1] == '.' {
			n--
		}
		return n > 0 && path[n-1] == '/'
	}
	return false
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
