package upstream

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// TestNetResolver puts Go's resolver in front of a server of ours.
func TestNetResolver(t *testing.T) {
	z := zone{
		"none":                        {"SOA 300 60"},
		"web.example. A":              {"A 192.0.2.1 300", "A 192.0.2.2 60"},
		"web.example. AAAA":           {"AAAA 2001:db8::1 77"},
		"v4.example. A":               {"A 192.0.2.3 60"},
		"v4.example. AAAA":            {"SOA 300 60"},
		"_http._tcp.web.example. SRV": {"SRV 10 5 8080 a.example. 30"},
	}
	s := newDNSServer(t, func(network string, q message) [][]byte {
		if strings.HasPrefix(q.Questions[0].Name.String(), "broken") {
			m := z.answer(q)
			m.RCode, m.Authorities = dnsmessage.RCodeServerFailure, nil
			return [][]byte{pack(m)}
		}
		return z.script(network, q)
	})
	n, err := NewNetResolver(&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.addr.String())
	}}, 42*time.Second)
	must(t, err)
	tests := []struct {
		name string
		kind RecordKind
		want string
		none bool
		err  bool
	}{
		{"web.example.", RecordA, "192.0.2.1, 192.0.2.2", false, false},
		{"web.example.", RecordAAAA, "2001:db8::1", false, false},
		{"v4.example.", RecordAAAA, "", true, true},
		{"nothing.example.", RecordA, "", true, true},
		{"_http._tcp.web.example.", RecordSRV, "10 5 8080 a.example.", false, false},
		{"_ftp._tcp.web.example.", RecordSRV, "", true, true},
		{"broken.example.", RecordA, "", false, true},
		{"web.example.", 7, "", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String()+" "+tt.name, func(t *testing.T) {
			records, ttl, err := n.Lookup(t.Context(), tt.name, tt.kind)
			if got := words(sift(tt.kind, records)); got != tt.want {
				t.Errorf("Lookup() = %s, want %s", got, tt.want)
			}
			if (err != nil) != tt.err || errors.Is(err, ErrNoRecords) != tt.none {
				t.Errorf("Lookup() = %v", err)
			}
			if known := !tt.err || tt.none; (ttl == 42*time.Second) != known {
				t.Errorf("ttl = %v", ttl)
			}
		})
	}
	if _, err := NewNetResolver(nil, 0); err == nil || !strings.Contains(err.Error(), "ttl 0s is not positive") {
		t.Errorf("NewNetResolver() = %v", err)
	}
}

// TestNamesOverDNS runs a pool over a name server: the stub, the timers and the
// pool together.
func TestNamesOverDNS(t *testing.T) {
	z := zone{
		"none":                        {"SOA 300 60"},
		"a.example. A":                {"A 192.0.2.1 300"},
		"b.example. AAAA":             {"AAAA 2001:db8::1 300"},
		"_http._tcp.web.example. SRV": {"SRV 10 5 8080 a.example. 30", "SRV 20 0 8081 b.example. 60"},
	}
	d := newDNS(t, []*dnsServer{newDNSServer(t, z.script)})
	p := newPool(t, WithResolver(d), WithServer("web.example", ID("web"), Service("http")), WithServer("a.example:80", Resolve()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	must(t, p.Resolved(t.Context()))
	wantShape(t, p, "web/192.0.2.1:8080*5, web/[2001:db8::1]:8081 backup, a.example/192.0.2.1:80")
	cancel()
	must(t, <-done)
}
