package debugdoor

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestSnapshotIsOneDocument(t *testing.T) {
	calls := 0
	h := Handler(map[string]func() any{
		"vrrp":     func() any { calls++; return struct{ State string }{"Active"} },
		"upstream": func() any { return []int{1, 2} },
	})
	w := get(t, h, "GET", "/debug/snapshot")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if len(got) != 2 || got["vrrp"].(map[string]any)["State"] != "Active" {
		t.Errorf("document = %s", w.Body)
	}
	if get(t, h, "GET", "/debug/snapshot"); calls != 2 {
		t.Errorf("the snapshot was taken %d times, want once a request", calls)
	}
}

func TestSnapshotErrors(t *testing.T) {
	h := Handler(map[string]func() any{"bad": func() any { return func() {} }})
	if w := get(t, h, "GET", "/debug/snapshot"); w.Code != 500 || !strings.Contains(w.Body.String(), "func()") {
		t.Errorf("a value JSON cannot hold: %d %s", w.Code, w.Body)
	}
	if w := get(t, h, "POST", "/debug/snapshot"); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

func TestPprofIsThere(t *testing.T) {
	h := Handler(nil)
	for _, p := range []string{"/debug/", "/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
		if w := get(t, h, "GET", p); w.Code != 200 {
			t.Errorf("%s: %d", p, w.Code)
		}
	}
}
