package vrrp

import (
	"slices"
	"sync"
)

// spy is a core that tells what it was told, and does more if asked.
type spy struct {
	core
	more func(now instant, ev event) []action

	mu   sync.Mutex // guards told
	told []event
}

// spying is an option that has a router decide with a spy.
func spying(out **spy, more ...func(now instant, ev event) []action) Option {
	return func(c *config) {
		c.core = func(inner core) core {
			*out = &spy{core: inner}
			if len(more) > 0 {
				(*out).more = more[0]
			}
			return *out
		}
	}
}

func (s *spy) step(now instant, member int, ev event) []action {
	s.mu.Lock()
	s.told = append(s.told, ev)
	s.mu.Unlock()
	actions := s.core.step(now, member, ev)
	if s.more != nil {
		actions = append(slices.Clip(actions), s.more(now, ev)...)
	}
	return actions
}

// take returns the kinds of what it was told, but ticks and adverts, and forgets them.
func (s *spy) take() (kinds []eventKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range s.told {
		if ev.kind != evTick && ev.kind != evAdvert {
			kinds = append(kinds, ev.kind)
		}
	}
	s.told = nil
	return kinds
}
