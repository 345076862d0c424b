package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a writer that keeps whole lines, and lets a test wait for one.
type lines struct {
	mu   sync.Mutex // guards everything below
	more *sync.Cond
	part string
	all  []string
	read int // lines that until has passed
	over bool
}

func newLines() *lines {
	l := &lines{}
	l.more = sync.NewCond(&l.mu)
	return l
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part += string(p)
	for {
		line, rest, ok := strings.Cut(l.part, "\n")
		if !ok {
			return len(p), nil
		}
		l.all, l.part = append(l.all, line), rest
		l.more.Broadcast()
	}
}

// Close says that no more lines come.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.more.Broadcast()
	return nil
}

// until returns the next line with all the texts. Lines before it are passed over.
func (l *lines) until(t *testing.T, texts ...string) string {
	t.Helper()
	return l.find(t, fmt.Sprintf("%q", texts), func(line string) bool {
		return !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(line, s) })
	})
}

// find returns the next line that fits.
func (l *lines) find(t *testing.T, what string, fits func(string) bool) string {
	t.Helper()
	late := false // it will not come any more, or the test binary is about to be ended: say what is missing
	patience := time.Minute
	if at, ok := t.Deadline(); ok {
		left := time.Until(at)
		patience = min(patience, left-min(left/10, 5*time.Second))
	}
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.more.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for l.read < len(l.all) {
			line := l.all[l.read]
			l.read++
			if fits(line) {
				return line
			}
		}
		if l.over || late {
			t.Fatalf("the output ended, or the time, before %s:\n%s", what, strings.Join(l.all, "\n"))
		}
		l.more.Wait()
	}
}

// again begins to read at the first line.
func (l *lines) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = 0
}

// end waits for Close.
func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.over {
		l.more.Wait()
	}
}

// count waits for n lines with the text, from the beginning on.
func (l *lines) count(t *testing.T, text string, n int) {
	t.Helper()
	for range n {
		l.until(t, text)
	}
}

// String is everything so far.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}
