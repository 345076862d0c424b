package http1

import (
	"errors"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1/hostile"
)

func TestHostileTablesAreLargeEnough(t *testing.T) {
	if len(hostile.Requests) < 60 || len(hostile.Responses) < 40 {
		t.Errorf("%d requests and %d responses, want at least 60 and 40", len(hostile.Requests), len(hostile.Responses))
	}
	for _, list := range [][]hostile.Case{hostile.Requests, hostile.Responses} {
		names := map[string]bool{}
		for _, c := range list {
			if names[c.Name] {
				t.Errorf("two rows are called %q", c.Name)
			}
			names[c.Name] = true
		}
	}
}

func TestHostileRequests(t *testing.T) {
	for _, c := range hostile.Requests {
		t.Run(c.Name, func(t *testing.T) {
			for _, step := range []int{len(c.Raw), 1, 7} {
				err := readRequest(c.Raw, step)
				var refused *Error
				if !errors.As(err, &refused) {
					t.Fatalf("in steps of %d: %v, want a refusal", step, err)
				}
				if refused.Status != c.Status {
					t.Errorf("in steps of %d: %d (%v), want %d", step, refused.Status, err, c.Status)
				}
			}
		})
	}
}

// readRequest parses raw, which arrives in steps, with its body.
func readRequest(raw string, step int) error {
	var r Request
	b := []byte(raw)
	have := 0
	for {
		have = min(have+step, len(b))
		n, err := r.Parse(b[:have:have], nil)
		if err == nil {
			return readBody(b[n:], step, r.Framing, r.Length)
		}
		if !errors.Is(err, ErrIncomplete) || have == len(b) {
			return err
		}
	}
}

// readBody decodes a body that arrives in steps.
func readBody(b []byte, step int, f Framing, n int64) error {
	var d Body
	d.Reset(f, n)
	for !d.Done() {
		if len(b) == 0 {
			return d.EOF()
		}
		_, n, err := d.Next(b[:min(step, len(b))])
		if err != nil && !errors.Is(err, ErrIncomplete) {
			return err
		}
		b = b[n:]
	}
	return nil
}

func TestHostileResponses(t *testing.T) {
	for _, c := range hostile.Responses {
		t.Run(c.Name, func(t *testing.T) {
			for _, step := range []int{max(len(c.Raw), 1), 1, 7} {
				err := readAnswer(c.Raw, step)
				if err == nil {
					t.Fatalf("in steps of %d: accepted", step)
				}
				var refused *Error
				if errors.As(err, &refused) && !c.Body && refused.Status != 502 {
					t.Errorf("in steps of %d: %d (%v), want 502", step, refused.Status, err)
				}
			}
		})
	}
}

// readAnswer does what the proxy does with the answer to a GET: it skips up to ten interim heads and reads the body.
func readAnswer(raw string, step int) error {
	var r Response
	b := []byte(raw)
	for range 10 {
		n := 0
		for have := 0; n == 0; {
			have = min(have+step, len(b))
			var err error
			if n, err = r.Parse(b[:have:have], false, nil); err != nil && (!errors.Is(err, ErrIncomplete) || have == len(b)) {
				return err
			}
		}
		b = b[n:]
		switch {
		case r.Status == 101:
			return errors.New("switched without being asked")
		case !r.Interim():
			return readBody(b, step, r.Framing, r.Length)
		}
	}
	return errors.New("too many interim heads")
}
