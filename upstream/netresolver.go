package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// NetResolver is a [Resolver] over Go's: the system's rules, with hosts file and
// search list. Go's tells no time to live, so every answer gets the same.
type NetResolver struct {
	r   *net.Resolver
	ttl time.Duration
}

var _ Resolver = (*NetResolver)(nil)

// NewNetResolver returns a resolver that asks r, nil for [net.DefaultResolver],
// and says of every answer that it holds for ttl; more than 0.
func NewNetResolver(r *net.Resolver, ttl time.Duration) (*NetResolver, error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("upstream: resolver: ttl %v is not positive", ttl)
	}
	if r == nil {
		r = net.DefaultResolver
	}
	return &NetResolver{r, ttl}, nil
}

// Lookup asks Go's resolver; see [Resolver].
func (n *NetResolver) Lookup(ctx context.Context, name string, kind RecordKind) ([]Record, time.Duration, error) {
	var out []Record
	var err error
	switch kind {
	case RecordA, RecordAAAA:
		network := "ip4"
		if kind == RecordAAAA {
			network = "ip6"
		}
		addrs, e := n.r.LookupNetIP(ctx, network, name)
		for _, a := range addrs {
			out = append(out, Record{Addr: a.Unmap()})
		}
		err = e
	case RecordSRV:
		_, records, e := n.r.LookupSRV(ctx, "", "", name)
		for _, r := range records {
			out = append(out, Record{Target: r.Target, Port: r.Port, Priority: r.Priority, Weight: r.Weight})
		}
		if err = e; len(out) > 0 {
			err = nil // some of the records had names that are none
		}
	default:
		return nil, 0, fmt.Errorf("upstream: resolver: %q: there is no record kind %d", name, kind)
	}
	var dns *net.DNSError
	var addr *net.AddrError
	switch {
	case err == nil:
		return out, n.ttl, nil
	case errors.As(err, &dns) && dns.IsNotFound, errors.As(err, &addr):
		// An AddrError: the name has addresses, and none of that family.
		return nil, n.ttl, fmt.Errorf("%w: %w", ErrNoRecords, err)
	}
	return nil, 0, err
}
