package scenario

import (
	"slices"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no dashes", "cmd\n", "f:1: no ---- after cmd at f:1"},
		{"no dashes after a body", "# c\ncmd\nbody\n", "f:3: no ---- after cmd at f:2"},
		{"no command", "\n----\n", "f:2: ---- without a command"},
		{"doubled dashes not closed", "cmd\n----\n----\na\n----\n", "f:5: doubled ---- are not closed"},
		{"unclosed quotes", "ok\n----\n\ncmd \"a\n----\n", "f:4: unclosed or invalid quotes: \"a"},
		{"invalid escape", "cmd \"\\q\"\n----\n", "f:1: unclosed or invalid quotes: \"\\q\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("f", tt.text)
			if err == nil || err.Error() != tt.want {
				t.Errorf("parse() = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		wants      []string
		positions  []string
		canonical  string // empty: the text itself
	}{
		{name: "empty"},
		{name: "comments only", text: "# a\n\n# b\n"},
		{"plain", "# c\n\ncmd a\nbody\n----\nout\n\ntwo\n----\n", []string{"out\n", ""}, []string{"f:3", "f:8"}, ""},
		{"comment at the end", "cmd\n----\nout\n\n# end\n", []string{"out\n"}, []string{"f:1"}, ""},
		{"no newline at the end", "cmd\n----\nout", []string{"out\n"}, []string{"f:1"}, "cmd\n----\nout\n"},
		{"nothing after the dashes", "cmd\n----", []string{""}, []string{"f:1"}, "cmd\n----\n"},
		{"carriage returns", "cmd\r\n----\r\nout\r\n", []string{"out\n"}, []string{"f:1"}, "cmd\n----\nout\n"},
		{name: "lone carriage return", text: "\r", canonical: "\n"},
		{"doubled", "a\n----\n----\nx\n\ny\n----\n----\n\nb\n----\n1\n", []string{"x\n\ny\n", "1\n"}, []string{"f:1", "f:10"}, ""},
		{"doubled with dashes inside", "a\n----\n----\n----\nx\n----\n----\n", []string{"----\nx\n"}, []string{"f:1"}, ""},
		{"doubled for nothing", "a\n----\n----\n----\n----\nb\n----\n", []string{"", ""}, []string{"f:1", "f:6"}, "a\n----\n\nb\n----\n"},
		{"leading blank line in the output", "a\n----\n----\n\nx\n----\n----\n", []string{"\nx\n"}, []string{"f:1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parse("f", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var positions []string
			for _, b := range s.blocks {
				positions = append(positions, b.cmd.Pos)
			}
			if !slices.Equal(s.wants(), tt.wants) || !slices.Equal(positions, tt.positions) {
				t.Errorf("wants %q at %v, want %q at %v", s.wants(), positions, tt.wants, tt.positions)
			}
			canonical := tt.canonical
			if canonical == "" {
				canonical = tt.text
			}
			if got := s.String(); got != canonical {
				t.Errorf("String() = %q, want %q", got, canonical)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"a", []string{"a"}},
		{"  a \t b  ", []string{"a", "b"}},
		{`a="x y"z`, []string{"a=x yz"}},
		{"a\xa0 \u00a0", []string{"a\xa0", "\u00a0"}}, // only ASCII blanks separate
		{`"" "\t"`, []string{"", "\t"}},
	} {
		if got, err := split(tt.line); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("split(%q) = %q, %v, want %q", tt.line, got, err, tt.want)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("# c\ncmd a=\"b c\"\nbody\n----\nout\n\ncmd\n----\n----\na\n\nb\n----\n----\n# end")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse("f", text)
		if err != nil {
			return
		}
		out := s.String()
		again, err := parse("f", out)
		if err != nil {
			t.Fatalf("parse(%q): %v", out, err)
		}
		if again.String() != out || !slices.Equal(again.wants(), s.wants()) {
			t.Errorf("%q became %q", out, again.String())
		}
		for _, b := range s.blocks {
			if b.cmd.Body != "" && !strings.HasSuffix(b.cmd.Body, "\n") {
				t.Errorf("body %q without a newline", b.cmd.Body)
			}
		}
	})
}
