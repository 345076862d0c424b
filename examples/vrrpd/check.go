package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// severity tells how bad a finding is.
type severity string

// The severities, the worst first.
const (
	mistake severity = "error"   // the address is held twice, or by nobody
	warning severity = "warning" // it is held, though not as the flags seem to mean
	note    severity = "note"    // worth knowing; -check still exits with 0
)

// finding is one thing about a pair of nodes.
type finding struct {
	severity severity
	vrid     uint8 // 0: about the nodes
	flags    string
	text     string
}

// String is the line that is printed:
//
//	warning: vrid 51: -priority -track: A falls from 102 to 100 and B has 92: the address never moves
func (f finding) String() string {
	if f.vrid == 0 {
		return fmt.Sprintf("%s: %s: %s", f.severity, f.flags, f.text)
	}
	return fmt.Sprintf("%s: vrid %d: %s: %s", f.severity, f.vrid, f.flags, f.text)
}

// check compares two nodes, and returns the exit code.
func check(nodes []string, stdout, stderr io.Writer) int {
	if len(nodes) != 2 {
		report(stderr, fmt.Errorf("-check: %d arguments, want two: each a file of flags, or the flags themselves, quoted", len(nodes)))
		return exitFlags
	}
	var sides [2][]instance
	code := exitClean
	for i, text := range nodes {
		o, err := readNode(text)
		if err != nil {
			report(stderr, fmt.Errorf("%c: %w", "AB"[i], err))
			code = exitFlags
		}
		sides[i] = o.instances
	}
	if code != exitClean {
		return code
	}
	findings := compareNodes(sides[0], sides[1])
	for _, f := range findings {
		fmt.Fprintln(stdout, f)
		if f.severity != note {
			code = exitFailed
		}
	}
	if len(findings) == 0 {
		fmt.Fprintf(stdout, "ok: %d virtual routers fit together\n", len(sides[0]))
	}
	return code
}

// readNode reads the flags of one node: what begins with a dash are flags, anything else is a file of them.
func readNode(text string) (options, error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "-") {
		return parseFlags([]string{"-config", text}, io.Discard)
	}
	args, err := words(text, inFile)
	if err != nil {
		return options{}, err
	}
	return parseFlags(args, io.Discard)
}

// compareNodes lists what two nodes would make of each other, the worst first for each virtual router.
func compareNodes(a, b []instance) []finding {
	var out []finding
	pairs, alone := match(a, b)
	for _, p := range pairs {
		found := p.findings()
		slices.SortStableFunc(found, func(x, y finding) int { return slices.Index(order, x.severity) - slices.Index(order, y.severity) })
		out = append(out, found...)
	}
	out = append(out, alone...)
	return append(out, groups(pairs)...)
}

var order = []severity{mistake, warning, note}
