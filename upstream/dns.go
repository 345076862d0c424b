package upstream

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// dnsUDPSize is what is read of a message. One of 512 bytes is all that a
	// server may send (RFC 1035 section 2.3.4); some do not keep to it.
	dnsUDPSize = 4096
	maxAliases = 8 // questions that one name may lead to by CNAME records
)

// DNS is a [Resolver] that speaks DNS to name servers, by UDP and, for what is
// truncated, by TCP. It knows the time to live of an answer, which the system's
// resolver does not tell. It asks for names as they are: no search list and no
// hosts file. The answers of a name server are trusted as far as they fit the
// question; ids and ports are random, and validating DNSSEC is left to the name
// server.
//
// The zero value is ready, with the defaults of [NewDNS]. Sockets are opened for
// each question, on any thread (a network namespace has to be the process's), and
// closed before Lookup returns. Nothing is cached.
type DNS struct {
	servers []netip.AddrPort
	cfg     dnsConfig
}

var _ Resolver = (*DNS)(nil)

type dnsConfig struct {
	timeout time.Duration
	tries   int
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

// DNSOption configures a [DNS].
type DNSOption func(*dnsConfig)

// DNSTimeout limits one attempt with one server; more than 0. Default 5s, as in
// resolv.conf.
func DNSTimeout(d time.Duration) DNSOption { return func(c *dnsConfig) { c.timeout = d } }

// DNSTries sets how often the list of servers is gone through; at least 1.
// Default 2, as resolv.conf's attempts.
func DNSTries(n int) DNSOption { return func(c *dnsConfig) { c.tries = n } }

// DNSDial sets how a name server is reached, by network "udp" or "tcp". Default a
// [net.Dialer], which gives each question a socket and so a port of its own.
func DNSDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) DNSOption {
	return func(c *dnsConfig) { c.dial = dial }
}

func defaultDNS() dnsConfig {
	var d net.Dialer
	return dnsConfig{timeout: 5 * time.Second, tries: 2, dial: d.DialContext}
}

// NewDNS returns a resolver that asks the servers, one after the other until one
// answers. Without servers it asks those of /etc/resolv.conf, read for each
// question: at most three, and the local host when the file has none. A system
// without that file has no default; every question fails then.
func NewDNS(servers []netip.AddrPort, opts ...DNSOption) (*DNS, error) {
	d := &DNS{servers: append([]netip.AddrPort(nil), servers...), cfg: defaultDNS()}
	var errs []error
	for i, s := range servers {
		if !s.IsValid() || s.Port() == 0 || s.Addr().IsUnspecified() {
			errs = append(errs, fmt.Errorf("upstream: dns: server %d, %q, is not an address and a port", i+1, s))
		}
	}
	for i, o := range opts {
		if o == nil {
			errs = append(errs, fmt.Errorf("upstream: dns: option %d is nil", i+1))
			continue
		}
		o(&d.cfg)
	}
	if d.cfg.timeout <= 0 {
		errs = append(errs, fmt.Errorf("upstream: dns: timeout %v is not positive", d.cfg.timeout))
	}
	if d.cfg.tries < 1 {
		errs = append(errs, fmt.Errorf("upstream: dns: tries %d is less than 1", d.cfg.tries))
	}
	if d.cfg.dial == nil {
		errs = append(errs, errors.New("upstream: dns: the dial function is nil"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return d, nil
}

// Lookup asks the name servers; see [Resolver]. It follows CNAME records, and the
// time to live is the least of all records that led to the answer.
func (d *DNS) Lookup(ctx context.Context, name string, kind RecordKind) ([]Record, time.Duration, error) {
	var t dnsmessage.Type
	switch kind {
	case RecordA:
		t = dnsmessage.TypeA
	case RecordAAAA:
		t = dnsmessage.TypeAAAA
	case RecordSRV:
		t = dnsmessage.TypeSRV
	default:
		return nil, 0, fmt.Errorf("upstream: dns: %q: there is no record kind %d", name, kind)
	}
	if err := checkHost(name); err != nil {
		return nil, 0, fmt.Errorf("upstream: dns: the name %q %w", name, err)
	}
	cfg, servers := d.cfg, d.servers
	if cfg.dial == nil {
		cfg = defaultDNS()
	}
	if len(servers) == 0 {
		var err error
		if servers, err = systemServers(); err != nil {
			return nil, 0, fmt.Errorf("upstream: dns: no name servers: %w", err)
		}
	}
	if name[len(name)-1] != '.' {
		name += "."
	}
	ttl := maxTTL
	for range maxAliases {
		r, err := cfg.ask(ctx, servers, name, t)
		if err != nil {
			return nil, 0, fmt.Errorf("upstream: dns: %s %s: %w", t.String()[len("Type"):], name, err)
		}
		ttl = min(ttl, r.ttl)
		if r.alias == "" {
			if len(r.records) == 0 {
				return nil, ttl, fmt.Errorf("%w: %s %s", ErrNoRecords, t.String()[len("Type"):], name)
			}
			return r.records, ttl, nil
		}
		name = r.alias
	}
	return nil, 0, fmt.Errorf("upstream: dns: %s: more than %d aliases lead on", name, maxAliases)
}

// ask goes through the servers until one of them answers the question.
func (c *dnsConfig) ask(ctx context.Context, servers []netip.AddrPort, name string, t dnsmessage.Type) (reply, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return reply{}, err
	}
	q := dnsmessage.Question{Name: n, Type: t, Class: dnsmessage.ClassINET}
	var last error
	for range c.tries {
		for _, s := range servers {
			r, err := c.exchange(ctx, "udp", s, q)
			if err == nil && r.truncated {
				r, err = c.exchange(ctx, "tcp", s, q)
			}
			if err == nil {
				return r, nil
			}
			last = fmt.Errorf("%v: %w", s, err)
			if ctx.Err() != nil {
				return reply{}, last
			}
		}
	}
	return reply{}, last
}

// exchange puts a question to a server and reads until its answer comes. What
// comes by UDP and is not the answer is ignored: somebody else may have sent it.
func (c *dnsConfig) exchange(ctx context.Context, network string, server netip.AddrPort, q dnsmessage.Question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.dial(ctx, network, server.String())
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })() // unblocks what waits

	var id [2]byte
	rand.Read(id[:]) // never fails
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true},
		Questions: []dnsmessage.Question{q},
	}
	query, err := m.AppendPack(make([]byte, 2, 512))
	if err != nil {
		return reply{}, err
	}
	stream := network == "tcp"
	if stream {
		binary.BigEndian.PutUint16(query, uint16(len(query)-2))
	} else {
		query = query[2:]
	}
	if _, err := conn.Write(query); err != nil {
		return reply{}, timedOut(ctx, err)
	}
	var buf []byte
	if !stream {
		buf = make([]byte, dnsUDPSize)
	}
	for {
		var msg []byte
		if stream {
			msg, err = readStream(conn)
		} else {
			var n int
			n, err = conn.Read(buf)
			msg = buf[:n]
		}
		if err != nil {
			return reply{}, timedOut(ctx, err)
		}
		r, err := parseReply(msg, m.ID, q)
		switch {
		case errors.Is(err, errNotOurs) && !stream:
			continue
		case err == nil && r.truncated && stream:
			return reply{}, errors.New("the answer is truncated, by TCP")
		}
		return r, err
	}
}

// timedOut says that the time is over where the connection only knows that its
// deadline has passed.
func timedOut(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// readStream reads a message with its length before it: RFC 1035 section 4.2.2.
func readStream(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}
