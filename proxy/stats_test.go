package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/upstream"
)

func TestSnapshotAndCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := upstream.New(upstream.WithName("g"))
		if err != nil {
			t.Fatal(err)
		}
		s := newStand(t, WithPool(pool), WithHandler("/h", http.HandlerFunc(hello)))
		defer s.stop()
		ln, err := s.mem.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		backend := &http.Server{Handler: http.HandlerFunc(hello)}
		done := make(chan struct{})
		go func() { defer close(done); _ = backend.Serve(ln) }()
		defer func() { backend.Close(); <-done }()
		if err := pool.Add(ln.Addr().String(), upstream.ID("b")); err != nil {
			t.Fatal(err)
		}
		c := s.dial()
		defer c.Close()
		say(t, c, getRoot)
		say(t, c, getRoot)
		say(t, c, "POST /h HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc")
		bad := s.dial()
		defer bad.Close()
		say(t, bad, "GET / HTTP/1.1\r\n\r\n")

		synctest.Wait()
		got := s.proxy.Snapshot()
		want := Snapshot{Requests: 3, BadRequests: 1, Own: 1, Attempts: 2, Dials: 1, Reused: 1, Accepted: 2, Connections: 2,
			Responses: map[string]int64{"1xx": 0, "2xx": 3, "3xx": 0, "4xx": 1, "5xx": 0},
			BytesIn:   3, BytesOut: 3*int64(len("hello")) + int64(len("400 Bad Request\n")), IdleUpstream: []IdleConns{{"g", "b", 1}}}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Snapshot() = %+v, want %+v", got, want)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{`"requests":3`, `"bad_requests":1`, `"idle_upstream":[{"group":"g","backend":"b","idle":1}]`, `"2xx":3`, `"connections":2`} {
			if !strings.Contains(string(text), key) {
				t.Errorf("no %s in %s", key, text)
			}
		}

		seen := map[string]float64{}
		s.proxy.Collect(func(name string, kind byte, value float64, labels ...string) {
			if !strings.HasPrefix(name, "mainstay_proxy_") || len(labels)%2 != 0 || kind == 'c' != strings.HasSuffix(name, "_total") {
				t.Errorf("emitted %s %c %v", name, kind, labels)
			}
			seen[name+strings.Join(labels, ",")] = value
		})
		for name, value := range map[string]float64{
			"mainstay_proxy_requests_total":                             3,
			"mainstay_proxy_responses_totalclass,2xx":                   3,
			"mainstay_proxy_connections_open":                           2,
			"mainstay_proxy_upstream_idle_connectionsgroup,g,backend,b": 1,
			"mainstay_proxy_upstream_reused_total":                      1,
			"mainstay_proxy_received_bytes_total":                       3,
			"mainstay_proxy_bad_requests_total":                         1,
			"mainstay_proxy_connections_accepted_total":                 2,
			"mainstay_proxy_attempt_failures_total":                     0,
			"mainstay_proxy_stale_connections_total":                    0,
			"mainstay_proxy_sent_bytes_total":                           float64(got.BytesOut),
		} {
			if v, ok := seen[name]; !ok || v != value {
				t.Errorf("%s = %v, %v, want %v", name, v, ok, value)
			}
		}
	})
}

func TestSlogAccess(t *testing.T) {
	var b bytes.Buffer
	strip := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := SlogAccess(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: strip})))
	log(&Record{Remote: netip.MustParseAddrPort("192.0.2.1:1234"), Method: "GET", Host: "a.example", Target: "/\x1b", Proto: "HTTP/1.1",
		Status: 200, RequestBytes: 1, ResponseBytes: 2, Duration: time.Second, Route: "/", Group: "g", Backend: "c",
		Attempts: []Attempt{{Backend: "b", Err: errors.New("refused")}, {Backend: "c", Status: 200}}})
	want := `level=INFO msg=request remote=192.0.2.1:1234 method=GET host=a.example target="/\x1b" proto=HTTP/1.1 status=200 ` +
		`request_bytes=1 response_bytes=2 duration=1s route=/ group=g backend=c attempts="b -, c 200"` + "\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	b.Reset()
	log(&Record{Status: 499, Reason: "client_abort", Attempts: []Attempt{{Backend: "b", Err: errGone}}})
	if !strings.Contains(b.String(), "reason=client_abort") || !strings.Contains(b.String(), `err="proxy: client went away"`) {
		t.Errorf("got %s", b.String())
	}
	b.Reset()
	SlogAccess(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelError})))(&Record{})
	if b.Len() > 0 {
		t.Errorf("a logger that is not enabled wrote %s", b.String())
	}
}

// The record of the handler door tells the protocol of its client and the peer's times.
func TestHandlerDoorRecord(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(hello))
	defer backend.Close()
	pool, err := upstream.New(upstream.WithName("g"), upstream.WithServer(strings.TrimPrefix(backend.URL, "http://"), upstream.ID("b")))
	if err != nil {
		t.Fatal(err)
	}
	var got Record
	p, err := New(WithPool(pool), WithAccessLog(func(r *Record) {
		got = *r
		got.Attempts = append([]Attempt(nil), r.Attempts...)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := httptest.NewRequest("GET", "http://a.example/x?y", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	p.ServeHTTP(httptest.NewRecorder(), r)
	if got.Proto != "HTTP/2.0" || got.Method != "GET" || got.Host != "a.example" || got.Target != "/x?y" || got.Route != "/" ||
		got.Group != "g" || got.Backend != "b" || got.Status != 200 || got.ResponseBytes != 5 || got.Reason != "" ||
		got.Duration <= 0 || got.Start.IsZero() || got.Remote.String() != "192.0.2.1:1234" {
		t.Errorf("got %+v", got)
	}
	if a := got.Attempts; len(a) != 1 || a[0].Connect <= 0 || a[0].Header < a[0].Connect || a[0].Total < a[0].Header || a[0].Reused || a[0].Status != 200 || a[0].Err != nil {
		t.Errorf("attempts %+v", a)
	}
}
