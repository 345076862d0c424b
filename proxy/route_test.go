package proxy

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

func routes(t *testing.T, patterns ...string) *table {
	t.Helper()
	var tab table
	for _, p := range patterns {
		tab.list = append(tab.list, &route{pattern: p, handler: http.NotFoundHandler()})
	}
	if errs := tab.validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	c := tab.compile(newClock())
	return &c
}

func TestRouteMatch(t *testing.T) {
	tab := routes(t, "/", "/img/", "/img/big/", "= /img/", "= /exact", "/äh")
	for _, c := range []struct{ path, want string }{
		{"/", "/"},
		{"/img", "/"},
		{"/img/", "= /img/"},
		{"/img/a", "/img/"},
		{"/img/big/a", "/img/big/"},
		{"/img//big///a", "/img/big/"},
		{"/%69mg/a", "/img/"},
		{"/img%2Fbig/a", "/img/big/"},
		{"/exact", "= /exact"},
		{"/exact/", "/"},
		{"/exact%3Fq", "/"},
		{"/%C3%A4hm", "/äh"},
		{"/a/.well-known", "/"},
		{"/...", "/"},
		{"/a..", "/"},
	} {
		r, ok := tab.match([]byte(c.path), make([]byte, 100))
		if !ok || r == nil || r.pattern != c.want {
			t.Errorf("match(%q) = %v, %v, want %q", c.path, r, ok, c.want)
		}
	}
	for _, path := range []string{"/..", "/.", "/img/../admin", "/img/%2e%2e/admin", "/a/./b", "/img/.%2E", "/%2e", "/a%00b",
		"/a%5cb", `/a\b`, "/%", "/%4", "/%zz", "/img/..%2fadmin"} {
		if r, ok := tab.match([]byte(path), nil); ok {
			t.Errorf("match(%q) = %v, want a refusal", path, r)
		}
	}
	if r, ok := routes(t, "/a").match([]byte("/b"), nil); r != nil || !ok {
		t.Errorf("match of a path without a route = %v, %v", r, ok)
	}
	// A lone "/" does not look at the path: it is the peer's business.
	if r, ok := routes(t, "/").match([]byte("/../%2e"), nil); r == nil || !ok {
		t.Errorf("match with a lone route = %v, %v", r, ok)
	}
}

// plain must never let through what normalise would change or refuse.
func TestPlainAgreesWithNormalise(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	parts := []string{"/", "//", ".", "..", "a", "%2e", "%41", "%2F", `\`, "b.c", "-"}
	for range 20000 {
		var b strings.Builder
		b.WriteByte('/')
		for range rnd.IntN(6) {
			b.WriteString(parts[rnd.IntN(len(parts))])
		}
		path := b.String()
		got, ok := normalise(nil, []byte(path))
		if plain([]byte(path)) && (!ok || string(got) != path) {
			t.Fatalf("plain(%q), but normalise gives %q, %v", path, got, ok)
		}
		if !ok {
			continue
		}
		if strings.Contains(string(got), "//") {
			t.Fatalf("normalise(%q) = %q", path, got)
		}
		for _, seg := range strings.Split(string(got), "/") {
			if seg == "." || seg == ".." {
				t.Fatalf("normalise(%q) = %q, a dot segment", path, got)
			}
		}
	}
}

func TestRouteValidate(t *testing.T) {
	for _, c := range []struct {
		name, want string
		patterns   []string
	}{
		{"none", "no route", nil},
		{"no slash", `want "/prefix"`, []string{"api"}},
		{"regexp", `want "/prefix"`, []string{"~ /api"}},
		{"twice", "given twice", []string{"/a", "/a"}},
		{"dot segments", "matched decoded", []string{"/a/../b"}},
		{"encoded", "matched decoded", []string{"/a%20b"}},
		{"query", "matched decoded", []string{"/a?b"}},
		{"double slash", "matched decoded", []string{"/a//b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tab table
			for _, p := range c.patterns {
				tab.list = append(tab.list, &route{pattern: p})
			}
			errs := tab.validate()
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
				t.Errorf("validate() = %v, want %q", errs, c.want)
			}
		})
	}
}

func FuzzNormalise(f *testing.F) {
	f.Add("/a/b")
	f.Add("/%2e%2E//")
	f.Fuzz(func(t *testing.T, path string) {
		got, ok := normalise(nil, []byte(path))
		if !ok {
			return
		}
		if len(got) > len(path) {
			t.Errorf("normalise(%q) = %q, longer", path, got)
		}
		if len(path) > 0 && path[0] == '/' && (strings.Contains(string(got), "//") || strings.Contains(string(got)+"/", "/../")) {
			t.Errorf("normalise(%q) = %q", path, got)
		}
	})
}
