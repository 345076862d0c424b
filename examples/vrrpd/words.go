package main

import (
	"fmt"
	"strings"
)

// separator ends words.
type separator func(rune) bool

// The two places where words are read.
func inFile(r rune) bool     { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }
func inInstance(r rune) bool { return r == ',' }

// words splits text at separators as a shell does at spaces: '...' keeps everything, "..." everything but \" and \\, and
// a backslash the next character. A # where a word could begin makes the rest of the line a comment, in a file.
func words(text string, ends separator) ([]string, error) {
	var (
		out  []string
		word strings.Builder
		open bool // a word has begun, be it empty
	)
	runes, line := []rune(text), 1
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case ends(r):
			if open {
				out = append(out, word.String())
				word.Reset()
				open = false
			}
		case r == '#' && !open && ends('\n'):
			for i+1 < len(runes) && runes[i+1] != '\n' {
				i++
			}
		case r == '\\':
			i++
			if i == len(runes) {
				return nil, fmt.Errorf("line %d: nothing after the last backslash", line)
			}
			if runes[i] != '\n' { // that one continues the line
				word.WriteRune(runes[i])
				open = true
			}
		case r == '\'' || r == '"':
			end := quoted(runes[i+1:], r, &word)
			if end < 0 {
				return nil, fmt.Errorf("line %d: no closing %c", line, r)
			}
			line += strings.Count(string(runes[i:i+1+end]), "\n")
			i += 1 + end
			open = true
		default:
			word.WriteRune(r)
			open = true
		}
		if runes[i] == '\n' {
			line++
		}
	}
	if open {
		out = append(out, word.String())
	}
	return out, nil
}

// quoted writes what comes before the closing quote, and returns where that is, or -1.
func quoted(runes []rune, quote rune, into *strings.Builder) int {
	for i := 0; i < len(runes); i++ {
		switch {
		case runes[i] == quote:
			return i
		case runes[i] == '\\' && quote == '"' && i+1 < len(runes) && (runes[i+1] == '"' || runes[i+1] == '\\'):
			i++
		}
		into.WriteRune(runes[i])
	}
	return -1
}
