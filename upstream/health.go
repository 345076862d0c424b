package upstream

import (
	"fmt"
	"log/slog"
	"time"
)

// verdict is what one health source says of a backend.
type verdict struct {
	up    bool
	cause error
	since time.Time // when it changed its mind last
}

// SetHealth notes what one source says of a backend. A backend is healthy while
// no source says down; a source that never spoke has no say, and none
// overwrites another's verdict. While every backend is unhealthy, picks fail
// with [ErrNoPeer], unless [WithPanicThreshold] is set. A verdict that leaves the
// backend healthy ends its ejection ([WithOutlier]). The cause may be nil; the
// log and the snapshot show it. An id that the pool does not have is
// [ErrUnknown].
func (p *Pool) SetHealth(id, source string, up bool, cause error) error {
	if source == "" {
		return fmt.Errorf("upstream: group %q: health of %q: the source is empty", p.name, id)
	}
	healthy, changed, err := p.setHealth(id, source, up, cause)
	defer p.say()
	if err != nil || !changed {
		return err
	}
	attrs := []any{slog.String("backend", id), slog.String("source", source), slog.Bool("up", up), slog.Bool("healthy", healthy)}
	if cause != nil {
		attrs = append(attrs, slog.Any("err", cause))
	}
	p.log.Info("health changed", attrs...)
	return nil
}

// setHealth reports whether all sources now agree that the backend is up, and
// whether this one changed its mind; silence counts as up.
func (p *Pool) setHealth(id, source string, up bool, cause error) (healthy, changed bool, err error) {
	p.config.Lock()
	defer p.config.Unlock()
	b, err := p.find(id)
	if err != nil {
		return false, false, err
	}
	h, known := b.health[source]
	changed = up != (!known || h.up)
	if !known || changed {
		h.since = time.Now()
	}
	h.up, h.cause = up, cause
	if b.health == nil {
		b.health = make(map[string]verdict)
	}
	b.health[source] = h
	healthy = true
	for _, h := range b.health {
		healthy = healthy && h.up
	}
	p.flip(b, gateHealth, !healthy)
	if up && healthy {
		p.pardon(b)
	}
	return healthy, changed, nil
}
