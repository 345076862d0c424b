package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutation is one committed defect: a replacement in one file, and the test that must notice it.
type mutation struct {
	name string   // the file's name without .txt
	why  string   // what the gate protects
	file string   // slash-separated, from the module's root
	test []string // the go test command, in words
	old  string   // occurs exactly once in file; may be part of a line
	new  string
}

// load reads every mutation of the folder, in order of their names.
func load(folder string) ([]mutation, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []mutation
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		m, err := parse(string(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(p), err)
		}
		m.name = strings.TrimSuffix(filepath.Base(p), ".txt")
		all = append(all, m)
	}
	return all, nil
}

// parse reads one mutation: the header lines why, file and test, then the old text and the new one.
func parse(text string) (mutation, error) {
	var m mutation
	header, rest, ok := strings.Cut(text, "--- old\n")
	if !ok {
		return m, fmt.Errorf("no line %q", "--- old")
	}
	for line := range strings.Lines(header) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "":
		case "why":
			m.why = value
		case "file":
			m.file = value
		case "test":
			words, err := split(value)
			if err != nil {
				return m, err
			}
			m.test = words
		default:
			return m, fmt.Errorf("unknown line %q", strings.TrimSpace(line))
		}
	}
	if m.old, rest, ok = strings.Cut(rest, "--- new\n"); !ok {
		return m, fmt.Errorf("no line %q", "--- new")
	}
	if m.new, _, ok = strings.Cut(rest, "---\n"); !ok {
		return m, fmt.Errorf("the new text does not end in a line %q", "---")
	}
	m.old, m.new = strings.TrimSuffix(m.old, "\n"), strings.TrimSuffix(m.new, "\n")
	switch {
	case m.why == "" || m.file == "":
		return m, fmt.Errorf("why and file are required")
	case len(m.test) < 3 || m.test[0] != "go" || m.test[1] != "test":
		return m, fmt.Errorf("test must be a go test command, not %q", strings.Join(m.test, " "))
	case m.old == "" || m.old == m.new:
		return m, fmt.Errorf("the old text is empty or equals the new one")
	}
	return m, nil
}

// split separates words at spaces; single quotes keep a word together.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	quoted, started := false, false
	for _, c := range s {
		switch {
		case c == '\'':
			quoted, started = !quoted, true
		case c == ' ' && !quoted:
			if started {
				words = append(words, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteRune(c)
			started = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote does not end in %q", s)
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}

// apply writes the defect into the tree below root and returns a function that takes it out again.
func (m mutation) apply(root string) (undo func() error, err error) {
	p := filepath.Join(root, filepath.FromSlash(m.file))
	b, err := os.ReadFile(p)
	if err != nil {
		return nil, err
	}
	mutated, err := m.mutate(string(b))
	if err != nil {
		return nil, err
	}
	return func() error { return os.WriteFile(p, b, 0o644) }, os.WriteFile(p, []byte(mutated), 0o644)
}

func (m mutation) mutate(source string) (string, error) {
	if n := strings.Count(source, m.old); n != 1 {
		return "", fmt.Errorf("the old text occurs %d times in %s, want once", n, m.file)
	}
	return strings.Replace(source, m.old, m.new, 1), nil
}
