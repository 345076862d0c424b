//go:build unix

package main

import (
	"context"
	"fmt"
)

// hear takes in an event of a child. It also tells each node where the other's debug door is, once that is known.
func (s *show) hear(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, e)
	close(s.news)
	s.news = make(chan struct{})
	if e.Kind != "ready" {
		return
	}
	peer := map[string]string{"a": "b", "b": "a"}[e.From]
	if c := s.children[peer]; c != nil {
		c.say("peer " + e.Addr)
	}
	for _, earlier := range s.said {
		if earlier.From == peer && earlier.Kind == "ready" {
			s.children[e.From].say("peer " + earlier.Addr)
		}
	}
}

// mark is the place in the news from which a wait looks on.
func (s *show) mark() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.said)
}

func (s *show) child(name string) *child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.children[name]
}

// await returns the first event since the mark that matches. A node that ends unasked meanwhile is an error, for what is
// awaited may never come.
func (s *show) await(ctx context.Context, what string, mark int, match func(event) bool) (event, error) {
	for {
		s.mu.Lock()
		said, news := s.said[mark:], s.news
		s.mu.Unlock()
		for _, e := range said {
			if match(e) {
				return e, nil
			}
			if e.Kind == "exit" && e.Err != "" && e.Err != "signal: killed" {
				return event{}, fmt.Errorf("%s ended with %s while waiting for %s", e.From, e.Err, what)
			}
		}
		mark += len(said)
		select {
		case <-news:
		case <-ctx.Done():
			return event{}, fmt.Errorf("waiting for %s: %w", what, errEarly)
		}
	}
}

func (s *show) wait(ctx context.Context, what string, mark int, match func(event) bool) error {
	_, err := s.await(ctx, what, mark, match)
	return err
}

func (s *show) waitFor(ctx context.Context, what string, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s: %w", what, errEarly)
	}
}

func state(node, state string) func(event) bool {
	return func(e event) bool { return e.From == node && e.Kind == "state" && e.State == state }
}

func backend(node, id string, up bool) func(event) bool {
	return func(e event) bool { return e.From == node && e.Kind == "backend" && e.ID == id && e.Up == up }
}
