package upstream

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// maxReply is how many resources of a message are looked at.
	maxReply = 1024
	// maxTTL is the longest that a record can hold: RFC 2181 section 8.
	maxTTL = math.MaxInt32 * time.Second
)

// errNotOurs: a message does not answer the question.
var errNotOurs = errors.New("the message does not answer the question")

// reply is what a message says to a question.
type reply struct {
	records   []Record
	ttl       time.Duration
	alias     string // what to ask for instead, in lower case
	truncated bool
}

// resource is what a message says of a name, in lower case.
type resource struct {
	owner  string
	alias  string // of a CNAME record
	record Record
	ttl    time.Duration
}

// parseReply reads what a server sent to the question of that id. A name that
// does not exist is a reply without records; other refusals are errors.
func parseReply(msg []byte, id uint16, q dnsmessage.Question) (reply, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	if h.ID != id || !h.Response || h.OpCode != 0 {
		return reply{}, errNotOurs
	}
	if got, err := p.Question(); err != nil || got.Type != q.Type || got.Class != q.Class || !strings.EqualFold(got.Name.String(), q.Name.String()) {
		return reply{}, errNotOurs
	}
	if _, err := p.Question(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return reply{}, errNotOurs
	}
	switch {
	case h.Truncated:
		return reply{truncated: true}, nil
	case h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError:
		return reply{}, fmt.Errorf("the server refuses: %v", strings.TrimPrefix(h.RCode.String(), "RCode"))
	}
	answers, err := parseAnswers(&p, q.Type)
	if err != nil {
		return reply{}, err
	}
	r := reply{ttl: maxTTL}
	at := strings.ToLower(q.Name.String())
	first := at
	for hops := 0; ; hops++ {
		if hops == maxAliases {
			return reply{}, fmt.Errorf("more than %d aliases lead on", maxAliases)
		}
		next := ""
		for _, a := range answers {
			if a.owner != at {
				continue
			}
			r.ttl = min(r.ttl, a.ttl)
			if a.alias != "" {
				next = a.alias
			} else {
				r.records = append(r.records, a.record)
			}
		}
		if len(r.records) > 0 {
			return r, nil
		}
		if next == "" {
			break
		}
		at = next
	}
	negative, ttl := parseNegative(&p)
	if at != first && !negative && h.RCode == dnsmessage.RCodeSuccess {
		r.alias = at // the message only leads there
		return r, nil
	}
	r.ttl = min(r.ttl, ttl)
	return r, nil
}

// parseAnswers reads the answer section.
func parseAnswers(p *dnsmessage.Parser, t dnsmessage.Type) ([]resource, error) {
	var out []resource
	for range maxReply {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		a := resource{owner: strings.ToLower(h.Name.String()), ttl: ttlOf(h.TTL)}
		switch {
		case h.Class != dnsmessage.ClassINET || h.Type != t && h.Type != dnsmessage.TypeCNAME:
			if err := p.SkipAnswer(); err != nil {
				return nil, err
			}
			continue
		case h.Type == dnsmessage.TypeCNAME:
			var v dnsmessage.CNAMEResource
			v, err = p.CNAMEResource()
			if a.alias = strings.ToLower(v.CNAME.String()); err == nil && checkHost(a.alias) != nil {
				return nil, errors.New("an alias is not a host name")
			}
		case t == dnsmessage.TypeA:
			var v dnsmessage.AResource
			v, err = p.AResource()
			a.record.Addr = netip.AddrFrom4(v.A)
		case t == dnsmessage.TypeAAAA:
			var v dnsmessage.AAAAResource
			v, err = p.AAAAResource()
			a.record.Addr = netip.AddrFrom16(v.AAAA)
		case t == dnsmessage.TypeSRV:
			var v dnsmessage.SRVResource
			v, err = p.SRVResource()
			a.record = Record{Target: v.Target.String(), Port: v.Port, Priority: v.Priority, Weight: v.Weight}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return nil, fmt.Errorf("the answer has more than %d records", maxReply)
}

// parseNegative reports whether the authority section has the SOA record of a
// negative answer, and for how long that one holds: RFC 2308 section 5. Without one
// it holds for no time.
func parseNegative(p *dnsmessage.Parser) (bool, time.Duration) {
	for range maxReply {
		h, err := p.AuthorityHeader()
		if err != nil {
			break // what is cut off has no SOA record either
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				break
			}
			continue
		}
		v, err := p.SOAResource()
		if err != nil {
			break
		}
		return true, min(ttlOf(h.TTL), ttlOf(v.MinTTL))
	}
	return false, 0
}

// ttlOf is a time to live; RFC 2181 section 8: one with the top bit set is zero.
func ttlOf(seconds uint32) time.Duration {
	if seconds > math.MaxInt32 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
