package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

// Two peers behind the engine, one of which does not exist: the other answers.
func Example() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s", r.URL.Path, r.Header.Get("X-Forwarded-For"))
	}))
	defer backend.Close()

	pool, err := upstream.New(
		upstream.WithServer("127.0.0.1:1"), // nobody listens here
		upstream.WithServer(strings.TrimPrefix(backend.URL, "http://")),
	)
	if err != nil {
		log.Fatal(err)
	}
	p, err := proxy.New(proxy.WithPool(pool))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := p.Server()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 2 {
		resp, err := client.Get("http://" + ln.Addr().String() + "/hello")
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(resp.StatusCode, string(body))
	}
	if err := s.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("served:", <-served)
	// Output:
	// 200 /hello for 127.0.0.1
	// 200 /hello for 127.0.0.1
	// served: <nil>
}

// A proxy is an http.Handler; a route may lead to a handler of this process.
func ExampleWithHandler() {
	pool, err := upstream.New(upstream.WithServer("192.0.2.1:80", upstream.Down()))
	if err != nil {
		log.Fatal(err)
	}
	ready := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ready") })
	p, err := proxy.New(proxy.WithPool(pool), proxy.WithHandler("= /ready", ready))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for _, path := range []string{"/ready", "/else"} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// /ready 200 ready
	// /else 502 502 Bad Gateway
}

// A gate refuses a request before any peer is asked, on both doors.
func ExampleWithGate() {
	pool, err := upstream.New(upstream.WithServer("192.0.2.1:80", upstream.Down()))
	if err != nil {
		log.Fatal(err)
	}
	readOnly := proxy.Gate{Enter: func(r *proxy.Request) proxy.Verdict {
		if r.Method() != "GET" && r.Method() != "HEAD" {
			return proxy.Verdict{Status: http.StatusForbidden}
		}
		return proxy.Verdict{}
	}}
	p, err := proxy.New(proxy.WithPool(pool), proxy.WithGate(readOnly))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for _, method := range []string{"GET", "DELETE"} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		fmt.Println(method, w.Code)
	}
	// Output:
	// GET 502
	// DELETE 403
}
