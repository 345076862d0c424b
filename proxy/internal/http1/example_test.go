package http1_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

func Example() {
	buf := []byte("POST /orders?id=7 HTTP/1.1\r\nHost: shop.example\r\nConnection: x-debug\r\nX-Debug: 1\r\nContent-Length: 5\r\nCookie: a=b\r\n\r\nhello")
	var r http1.Request
	n, err := r.Parse(buf, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := http1.AppendRequestLine(nil, r.Method, r.Target)
	out = http1.AppendFields(out, r.Fields, http1.SetOf(http1.ContentLength))
	fmt.Print(strings.ReplaceAll(string(out), "\r", ""))

	var body http1.Body
	body.Reset(r.Framing, r.Length)
	data, _, _ := body.Next(buf[n:])
	fmt.Printf("%s %v\n", data, body.Done())

	_, err = r.Parse([]byte("GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n"), nil)
	var refused *http1.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Reason)
	}
	// Output:
	// POST /orders?id=7 HTTP/1.1
	// Host: shop.example
	// Cookie: a=b
	// hello true
	// 400 more than one Host
}
