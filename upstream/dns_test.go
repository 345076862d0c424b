package upstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer answers on one port of loopback, by UDP and by TCP, what its script
// says: any number of messages to each question.
type dnsServer struct {
	addr   netip.AddrPort
	script func(network string, q dnsmessage.Message) [][]byte
	asked  atomic.Int64
}

func newDNSServer(t *testing.T, script func(network string, q dnsmessage.Message) [][]byte) *dnsServer {
	t.Helper()
	s := &dnsServer{script: script}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	pc, err := net.ListenPacket("udp", ln.Addr().String())
	must(t, err)
	s.addr = ln.Addr().(*net.TCPAddr).AddrPort()
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, m := range s.answer("udp", buf[:n]) {
				pc.WriteTo(m, from)
			}
		}
	})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				msg, err := readStream(c)
				if err != nil {
					return
				}
				for _, m := range s.answer("tcp", msg) {
					c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); pc.Close(); wg.Wait() })
	return s
}

func (s *dnsServer) answer(network string, msg []byte) [][]byte {
	s.asked.Add(1)
	var q dnsmessage.Message
	if q.Unpack(msg) != nil || len(q.Questions) != 1 {
		return nil
	}
	return s.script(network, q)
}

// zone is records by "name type", in the lines below.
type zone map[string][]string

// answer makes an answer of a zone: lines are "A 192.0.2.1 60", "CNAME b. 60",
// "SRV 0 5 80 a. 60", "SOA 300 60" for a negative answer of that minimum and TTL.
func (z zone) answer(q dnsmessage.Message) dnsmessage.Message {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
	name := strings.ToLower(q.Questions[0].Name.String())
	typ := strings.TrimPrefix(q.Questions[0].Type.String(), "Type")
	lines, ok := z[name+" "+typ]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
		lines = z["none"]
	}
	for _, line := range lines {
		owner := name
		if at, rest, ok := strings.Cut(line, ": "); ok {
			owner, line = at, rest
		}
		add(&m, owner, line)
	}
	return m
}

type message = dnsmessage.Message

func (z zone) script(_ string, q dnsmessage.Message) [][]byte {
	m := z.answer(q)
	return [][]byte{pack(m)}
}

func pack(m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// add appends the resource that a line of a zone describes.
func add(m *dnsmessage.Message, owner, line string) {
	h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner), Class: dnsmessage.ClassINET}
	f := strings.Fields(line)
	num := func(i int) (v uint32) { fmt.Sscan(f[i], &v); return v }
	h.TTL = num(len(f) - 1)
	var body dnsmessage.ResourceBody
	switch f[0] {
	case "A":
		body = &dnsmessage.AResource{A: netip.MustParseAddr(f[1]).As4()}
	case "AAAA":
		body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(f[1]).As16()}
	case "CNAME":
		body = &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(f[1])}
	case "TXT":
		body = &dnsmessage.TXTResource{TXT: []string{f[1]}}
	case "SRV":
		body = &dnsmessage.SRVResource{Priority: uint16(num(1)), Weight: uint16(num(2)), Port: uint16(num(3)), Target: dnsmessage.MustNewName(f[4])}
	case "SOA":
		h.Name = dnsmessage.MustNewName("example.")
		m.Authorities = append(m.Authorities, dnsmessage.Resource{Header: h, Body: &dnsmessage.SOAResource{
			NS: dnsmessage.MustNewName("ns.example."), MBox: dnsmessage.MustNewName("mail.example."), MinTTL: num(1)}})
		return
	}
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
}

func newDNS(t *testing.T, servers []*dnsServer, opts ...DNSOption) *DNS {
	t.Helper()
	var addrs []netip.AddrPort
	for _, s := range servers {
		addrs = append(addrs, s.addr)
	}
	d, err := NewDNS(addrs, opts...)
	must(t, err)
	return d
}

// words shows records in the words of a zone.
func words(records []Record) string {
	var out []string
	for _, r := range records {
		if r.Addr.IsValid() {
			out = append(out, r.Addr.String())
		} else {
			out = append(out, fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, r.Target))
		}
	}
	return strings.Join(out, ", ")
}

func TestDNSAnswers(t *testing.T) {
	z := zone{
		"none":                        {"SOA 300 60"},
		"web.example. A":              {"A 192.0.2.1 300", "A 192.0.2.2 60"},
		"web.example. AAAA":           {"AAAA 2001:db8::1 77"},
		"v4only.example. AAAA":        {"SOA 20 3600"},
		"bare.example. A":             {},
		"www.example. A":              {"CNAME a.example. 50", "a.example.: CNAME WEB.example. 40", "web.example.: A 192.0.2.1 30"},
		"mixed.example. A":            {"web.example.: A 192.0.2.1 30", "a.example.: CNAME web.example. 20", "CNAME a.example. 50", "TXT hello 5"},
		"far.example. A":              {"CNAME web.example. 90"},
		"gone.example. A":             {"CNAME nowhere.example. 90", "SOA 33 99"},
		"loop.example. A":             {"CNAME loop.example. 90"},
		"ring1.example. A":            {"CNAME ring2.example. 90"},
		"ring2.example. A":            {"CNAME ring1.example. 90"},
		"huge.example. A":             {"A 192.0.2.1 4294967295"},
		"other.example. A":            {"web.example.: A 192.0.2.1 30", "SOA 10 10"},
		"_http._tcp.web.example. SRV": {"SRV 10 5 8080 a.example. 30", "SRV 20 0 8081 b.example. 60"},
		"strange.example. A":          {"CNAME a\\b.example. 30"},
	}
	d := newDNS(t, []*dnsServer{newDNSServer(t, z.script)})
	tests := []struct {
		name string
		kind RecordKind
		want string
		ttl  int
		err  string
	}{
		{"web.example", RecordA, "192.0.2.1, 192.0.2.2", 60, ""},
		{"WEB.Example.", RecordA, "192.0.2.1, 192.0.2.2", 60, ""},
		{"web.example", RecordAAAA, "2001:db8::1", 77, ""},
		{"v4only.example", RecordAAAA, "", 20, "no such name, or no records"},
		{"bare.example", RecordA, "", 0, "no such name, or no records"},
		{"nothing.example", RecordA, "", 60, "no such name, or no records of that kind: A nothing.example."},
		{"www.example", RecordA, "192.0.2.1", 30, ""},
		{"mixed.example", RecordA, "192.0.2.1", 20, ""},
		{"far.example", RecordA, "192.0.2.1, 192.0.2.2", 60, ""},
		{"gone.example", RecordA, "", 33, "no such name, or no records"},
		{"loop.example", RecordA, "", 0, "more than 8 aliases"},
		{"ring1.example", RecordA, "", 0, "more than 8 aliases"},
		{"huge.example", RecordA, "192.0.2.1", 0, ""},
		{"other.example", RecordA, "", 10, "no such name, or no records"},
		{"_http._tcp.web.example", RecordSRV, "10 5 8080 a.example., 20 0 8081 b.example.", 30, ""},
		{"strange.example", RecordA, "", 0, "an alias is not a host name"},
		{"", RecordA, "", 0, `the name "" is empty`},
		{"a..b", RecordA, "", 0, `has a label that is empty`},
		{"web.example", 9, "", 0, "no record kind 9"},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String()+" "+tt.name, func(t *testing.T) {
			records, ttl, err := d.Lookup(t.Context(), tt.name, tt.kind)
			if got := words(records); got != tt.want || int(ttl/time.Second) != tt.ttl {
				t.Errorf("Lookup() = %s for %v, want %s for %ds", got, ttl, tt.want, tt.ttl)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Lookup() = %v, want %s", err, tt.err)
			}
			if negative := strings.Contains(tt.err, "no such name"); errors.Is(err, ErrNoRecords) != negative {
				t.Errorf("%v is ErrNoRecords: %v, want %v", err, !negative, negative)
			}
		})
	}
}

// TestDNSForged: what does not answer the question is not listened to, and the
// right answer behind it is.
func TestDNSForged(t *testing.T) {
	z := zone{"web.example. A": {"A 192.0.2.1 60"}}
	bad := zone{"web.example. A": {"A 203.0.113.66 60"}, "evil.example. A": {"A 203.0.113.66 60"}}
	forge := func(change func(m *message)) func(string, message) [][]byte {
		return func(_ string, q message) [][]byte {
			m := bad.answer(q)
			m.Questions = slices.Clone(m.Questions)
			change(&m)
			return [][]byte{pack(m), pack(z.answer(q))}
		}
	}
	tests := map[string]func(string, message) [][]byte{
		"id":           forge(func(m *message) { m.ID++ }),
		"a question":   forge(func(m *message) { m.Response = false }),
		"opcode":       forge(func(m *message) { m.OpCode = 2 }),
		"name":         forge(func(m *message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.example.") }),
		"type":         forge(func(m *message) { m.Questions[0].Type = dnsmessage.TypeAAAA }),
		"class":        forge(func(m *message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }),
		"no question":  forge(func(m *message) { m.Questions = nil }),
		"two":          forge(func(m *message) { m.Questions = append(m.Questions, m.Questions[0]) }),
		"empty":        func(_ string, q message) [][]byte { return [][]byte{{}, pack(z.answer(q))} },
		"short":        func(_ string, q message) [][]byte { return [][]byte{pack(z.answer(q))[:11], pack(z.answer(q))} },
		"no bytes but": func(_ string, q message) [][]byte { return [][]byte{make([]byte, 512), pack(z.answer(q))} },
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDNS(t, []*dnsServer{newDNSServer(t, script)})
			records, _, err := d.Lookup(t.Context(), "web.example", RecordA)
			if words(records) != "192.0.2.1" {
				t.Errorf("Lookup() = %s, %v; want 192.0.2.1", words(records), err)
			}
		})
	}
}

// TestDNSTruncated: what does not fit comes by TCP.
func TestDNSTruncated(t *testing.T) {
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("A 192.0.2.%d 60", i+1))
	}
	z := zone{"web.example. A": lines}
	var again atomic.Bool
	s := newDNSServer(t, func(network string, q message) [][]byte {
		m := z.answer(q)
		if network == "udp" || again.Load() {
			m.Truncated, m.Answers = true, m.Answers[:3]
		}
		return [][]byte{pack(m)}
	})
	d := newDNS(t, []*dnsServer{s}, DNSTries(1))
	records, ttl, err := d.Lookup(t.Context(), "web.example", RecordA)
	if len(records) != 200 || ttl != time.Minute || err != nil {
		t.Errorf("Lookup() = %d records for %v, %v; want 200 for 1m0s", len(records), ttl, err)
	}
	again.Store(true)
	if _, _, err := d.Lookup(t.Context(), "web.example", RecordA); err == nil || !strings.Contains(err.Error(), "truncated, by TCP") {
		t.Errorf("Lookup() = %v, want that it is truncated by TCP too", err)
	}
}

// TestDNSServers: the next server is asked when one fails, and all of them again.
func TestDNSServers(t *testing.T) {
	z := zone{"web.example. A": {"A 192.0.2.1 60"}}
	refuse := func(code dnsmessage.RCode) func(string, message) [][]byte {
		return func(_ string, q message) [][]byte {
			m := z.answer(q)
			m.RCode, m.Answers = code, nil
			return [][]byte{pack(m)}
		}
	}
	broken := newDNSServer(t, refuse(dnsmessage.RCodeServerFailure))
	refused := newDNSServer(t, refuse(dnsmessage.RCodeRefused))
	garbled := newDNSServer(t, func(_ string, q message) [][]byte {
		b := pack(z.answer(q))
		return [][]byte{b[:len(b)-2]}
	})
	good := newDNSServer(t, z.script)
	d := newDNS(t, []*dnsServer{broken, refused, garbled, good})
	records, _, err := d.Lookup(t.Context(), "web.example", RecordA)
	if words(records) != "192.0.2.1" || good.asked.Load() != 1 || broken.asked.Load() != 1 {
		t.Errorf("Lookup() = %s, %v", words(records), err)
	}
	d = newDNS(t, []*dnsServer{broken, refused}, DNSTries(3))
	_, _, err = d.Lookup(t.Context(), "web.example", RecordA)
	if err == nil || !strings.Contains(err.Error(), refused.addr.String()+": the server refuses: Refused") || errors.Is(err, ErrNoRecords) {
		t.Errorf("Lookup() = %v, want the last server's refusal", err)
	}
	if broken.asked.Load() != 4 || refused.asked.Load() != 4 {
		t.Errorf("asked %d and %d times, want 4 and 4", broken.asked.Load(), refused.asked.Load())
	}
}

// TestDNSSilent: a server that says nothing costs its timeout, and a lookup ends
// with its context.
func TestDNSSilent(t *testing.T) {
	asked := make(chan struct{}, 10)
	silent := newDNSServer(t, func(string, message) [][]byte { asked <- struct{}{}; return nil })
	d := newDNS(t, []*dnsServer{silent}, DNSTimeout(10*time.Millisecond))
	_, _, err := d.Lookup(t.Context(), "web.example", RecordA)
	if !errors.Is(err, context.DeadlineExceeded) || silent.asked.Load() != 2 {
		t.Errorf("Lookup() = %v after %d questions; want a deadline exceeded after 2", err, silent.asked.Load())
	}
	<-asked
	<-asked

	d = newDNS(t, []*dnsServer{silent}, DNSTimeout(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { <-asked; cancel() })
	_, _, err = d.Lookup(ctx, "web.example", RecordA)
	wg.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup() = %v, want that it was cancelled", err)
	}
}

// TestDNSPorts: each question has an id and a port of its own.
func TestDNSPorts(t *testing.T) {
	ids, ports := map[uint16]bool{}, map[string]bool{}
	z := zone{"web.example. A": {"A 192.0.2.1 60"}}
	var mu sync.Mutex
	s := newDNSServer(t, func(n string, q message) [][]byte {
		mu.Lock()
		ids[q.ID] = true
		mu.Unlock()
		return z.script(n, q)
	})
	d := newDNS(t, []*dnsServer{s}, DNSDial(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			ports[c.LocalAddr().String()] = true
		}
		return c, err
	}))
	for range 30 {
		_, _, err := d.Lookup(t.Context(), "web.example", RecordA)
		must(t, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) < 25 || len(ports) < 15 {
		t.Errorf("%d ids and %d ports in 30 questions", len(ids), len(ports))
	}
}

func TestNewDNSErrors(t *testing.T) {
	_, err := NewDNS([]netip.AddrPort{{}, netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("0.0.0.0:53")},
		nil, DNSTimeout(0), DNSTries(0), DNSDial(nil))
	for _, want := range []string{"server 1", `server 2, "192.0.2.1:0"`, "server 3", "option 1 is nil", "timeout 0s", "tries 0", "dial function is nil"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewDNS() = %v, want it to say %s", err, want)
		}
	}
}

func TestReadServers(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"three of four", "# by hand\nnameserver 192.0.2.1\nsearch example\n\tnameserver  2001:db8::1 \noptions ndots:5\nnameserver fe80::1%eth0\nnameserver 192.0.2.4\n",
			"[192.0.2.1:53 [2001:db8::1]:53 [fe80::1%eth0]:53]"},
		{"none", "search example\n;nameserver 192.0.2.1\n", "[127.0.0.1:53]"},
		{"of no use", "nameserver\nnameserver ns.example\nnameserver 192.0.2.7", "[192.0.2.7:53]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readServers(strings.NewReader(tt.file))
			if fmt.Sprint(got) != tt.want || err != nil {
				t.Errorf("readServers() = %v, %v; want %s", got, err, tt.want)
			}
		})
	}
	if _, err := readServers(strings.NewReader(strings.Repeat("x", 1<<20))); err == nil {
		t.Error("a line without an end is no error")
	}
}

// TestDNSDefault: the zero value asks the servers of the system, or says that it
// has none.
func TestDNSDefault(t *testing.T) {
	errStop := errors.New("far enough")
	var asked []string
	d, err := NewDNS(nil, DNSTries(1), DNSDial(func(_ context.Context, network, addr string) (net.Conn, error) {
		asked = append(asked, addr)
		return nil, errStop
	}))
	must(t, err)
	_, _, err = d.Lookup(t.Context(), "web.example", RecordA)
	if _, statErr := os.Stat(resolvConf); statErr != nil {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Lookup() on %s = %v, want that there is no %s", runtime.GOOS, err, resolvConf)
		}
		return
	}
	want, err2 := systemServers()
	must(t, err2)
	if len(asked) != len(want) || !errors.Is(err, errStop) {
		t.Errorf("asked %v: %v; want %v", asked, err, want)
	}
}

// FuzzDNSReply: no message makes the parser panic or give out more than its
// bounds, and what it takes for an answer has the question in it.
func FuzzDNSReply(f *testing.F) {
	z := zone{"web.example. A": {"CNAME a.example. 50", "a.example.: A 192.0.2.1 60"}, "web.example. SRV": {"SRV 1 2 80 a.example. 30"}, "none": {"SOA 300 60"}}
	kinds := []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeSRV}
	question := func(i byte) dnsmessage.Question {
		return dnsmessage.Question{Name: dnsmessage.MustNewName("web.example."), Type: kinds[int(i)%3], Class: dnsmessage.ClassINET}
	}
	for i := range byte(3) {
		q := message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{question(i)}}
		b := pack(z.answer(q))
		f.Add(i, b)
		f.Add(i, b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		q := question(kind)
		r, err := parseReply(b, 7, q)
		if err != nil {
			return
		}
		if len(b) < 2 || binary.BigEndian.Uint16(b) != 7 {
			t.Fatal("an answer of another id")
		}
		if len(r.records) > maxReply || r.ttl < 0 || r.ttl > maxTTL || r.alias != "" && len(r.records) > 0 {
			t.Fatalf("reply = %d records for %v, alias %q", len(r.records), r.ttl, r.alias)
		}
		for i, k := range []RecordKind{RecordA, RecordAAAA, RecordSRV} {
			if int(kind)%3 == i {
				sift(k, r.records)
			}
		}
		again, err := parseReply(b, 7, q)
		if err != nil || !slices.Equal(again.records, r.records) || again.ttl != r.ttl || again.alias != r.alias {
			t.Fatal("the same message read twice differs")
		}
	})
}
