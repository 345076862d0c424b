package upstream

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// maxFlying is how many lookups are under way at a time.
	maxFlying = 16
	// maxRecords is how many records of one answer are used.
	maxRecords = 256
	// maxTargets is how many records of one SRV answer are used: each is a
	// question of its own.
	maxTargets = 64

	retryFirst  = time.Second      // after the first failure; doubles
	retryMost   = 30 * time.Second // nginx repeats after resolver_timeout, 30 s
	negativeMin = 5 * time.Second  // most hosts have no addresses of one family
	negativeMax = 30 * time.Second // RFC 2308 section 5 asks for a limit
)

// question is what one lookup asks.
type question struct {
	name string
	kind RecordKind
}

// fact is what is known about a question.
type fact struct {
	records []Record // the last good answer, sorted; nil for none
	settled bool     // a lookup has ended
	asking  bool     // a lookup is under way
	next    time.Time
	asked   time.Time // the last lookup's end
	err     error     // of the last lookup
	fails   int       // in a row
	gone    time.Time // since when there are said to be no records
}

// held reports that the last lookup found no records and those of an earlier one
// are still used.
func (a *fact) held() bool { return a.err != nil && len(a.records) > 0 }

// lookups decides which questions are asked when. It is a pure core: time comes
// in, questions to ask come out.
type lookups struct {
	cfg    *resolveConfig
	random func() float64 // 0 <= x < 1
	roots  []question
	all    map[question]*fact
	flying int
}

func newLookups(cfg *resolveConfig, random func() float64) *lookups {
	return &lookups{cfg: cfg, random: random, all: make(map[question]*fact)}
}

// want sets the questions that have to be answered; more follow from SRV
// answers. Those that are wanted no longer are forgotten.
func (l *lookups) want(now time.Time, roots []question) {
	l.roots = roots
	l.follow(now)
}

// follow brings the questions in line with the roots and what they lead to.
func (l *lookups) follow(now time.Time) {
	wanted := make(map[question]bool, len(l.all))
	need := func(q question) {
		wanted[q] = true
		if l.all[q] == nil {
			l.all[q] = &fact{next: now}
		}
	}
	for _, q := range l.roots {
		need(q)
		if q.kind != RecordSRV {
			continue
		}
		for _, r := range l.all[q].records {
			for _, t := range l.addresses(r.Target) {
				need(t)
			}
		}
	}
	for q := range l.all {
		if !wanted[q] {
			delete(l.all, q)
		}
	}
}

// addresses returns the questions for the addresses of a host.
func (l *lookups) addresses(host string) []question {
	out := make([]question, 0, 2)
	for i, kind := range []RecordKind{RecordA, RecordAAAA} {
		if l.cfg.families[i] {
			out = append(out, question{host, kind})
		}
	}
	return out
}

// due returns the questions to ask now, as many as may be under way, and takes
// it that they are asked.
func (l *lookups) due(now time.Time) []question {
	if l.flying >= maxFlying {
		return nil
	}
	var out []question
	for q, a := range l.all {
		if !a.asking && !a.next.After(now) {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, func(x, y question) int {
		return cmp.Or(l.all[x].next.Compare(l.all[y].next), strings.Compare(x.name, y.name), cmp.Compare(x.kind, y.kind))
	})
	out = out[:min(len(out), maxFlying-l.flying)]
	for _, q := range out {
		l.all[q].asking = true
	}
	l.flying += len(out)
	return out
}

// deadline is when due has something to return; zero for never, as long as
// nothing happens.
func (l *lookups) deadline() time.Time {
	var first time.Time
	if l.flying >= maxFlying {
		return first
	}
	for _, a := range l.all {
		if !a.asking && (first.IsZero() || a.next.Before(first)) {
			first = a.next
		}
	}
	return first
}

// answered takes the end of a lookup.
func (l *lookups) answered(now time.Time, q question, records []Record, ttl time.Duration, err error) {
	l.flying = max(0, l.flying-1)
	a := l.all[q]
	if a == nil || !a.asking {
		return // forgotten meanwhile
	}
	a.asking, a.settled, a.asked = false, true, now
	if err == nil {
		if records = sift(q.kind, records); len(records) == 0 {
			err = ErrNoRecords
		}
	}
	a.err = err
	switch {
	case err == nil:
		a.records, a.fails, a.gone = records, 0, time.Time{}
		d := min(max(ttl, l.cfg.ttlMin), l.cfg.ttlMax)
		if l.cfg.valid > 0 {
			d = l.cfg.valid
		}
		a.next = l.after(now, d)
	case errors.Is(err, ErrNoRecords):
		a.fails = 0
		d := min(max(ttl, l.cfg.ttlMin, negativeMin), l.cfg.ttlMax, negativeMax)
		if l.cfg.valid > 0 {
			d = min(l.cfg.valid, negativeMax)
		}
		if a.gone.IsZero() {
			a.gone = now
		}
		if left := a.gone.Add(l.cfg.hold).Sub(now); left <= 0 {
			a.records = nil
		} else if len(a.records) > 0 {
			d = min(d, max(left, l.cfg.ttlMin))
		}
		a.next = l.after(now, d)
	default:
		d := retryMost
		if a.fails < 5 {
			d = retryFirst << a.fails
		}
		a.fails++
		a.next = l.after(now, d)
	}
	if q.kind == RecordSRV {
		l.follow(now)
	}
}

// after is d from now and up to a tenth of it later, so that pools which began
// together do not ask together.
func (l *lookups) after(now time.Time, d time.Duration) time.Time {
	return now.Add(d + time.Duration(l.random()*float64(d)/10))
}

// stop takes it that the lookups under way were given up.
func (l *lookups) stop() {
	l.flying = 0
	for _, a := range l.all {
		a.asking = false
	}
}

// sift returns the records of an answer that can be used, each once and sorted,
// so that a different order is no change.
func sift(kind RecordKind, records []Record) []Record {
	most := maxRecords
	if kind == RecordSRV {
		most = maxTargets
	}
	out := make([]Record, 0, min(len(records), most))
	for _, r := range records {
		if kind == RecordSRV {
			r.Addr = netip.Addr{}
			r.Target = strings.ToLower(r.Target)
			// RFC 2782: the target "." says that there is no such service.
			if r.Port == 0 || checkHost(r.Target) != nil {
				continue
			}
		} else {
			r = Record{Addr: r.Addr.Unmap().WithZone("")}
			// Nobody can serve on these; to dial them leads to this host.
			if !r.Addr.IsValid() || r.Addr.IsUnspecified() || r.Addr.IsMulticast() || r.Addr.Is4() != (kind == RecordA) {
				continue
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, compareRecords)
	out = slices.CompactFunc(out, func(x, y Record) bool { return compareRecords(x, y) == 0 })
	return slices.Clip(out[:min(len(out), most)])
}

func compareRecords(x, y Record) int {
	return cmp.Or(
		cmp.Compare(x.Priority, y.Priority), x.Addr.Compare(y.Addr), strings.Compare(x.Target, y.Target),
		cmp.Compare(x.Port, y.Port), cmp.Compare(y.Weight, x.Weight))
}

// checkHost accepts a DNS name in the letters, digits, hyphens and underscores
// of host and service names, of at most 253 bytes.
func checkHost(name string) error {
	name = strings.TrimSuffix(name, ".")
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > 253:
		return errors.New("is longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("has a label that is empty or longer than 63 bytes")
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return errors.New("has a character that no host name has")
			}
		}
	}
	return nil
}
