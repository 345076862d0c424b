package mainstay

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// conformancePages are where docs/rfc9568.md finds a test: by the word before its
// name, none for package vrrp.
var conformancePackages = map[string]string{
	"": "vrrp", "rawip": "vrrp/internal/rawip", "ethernet": "vrrp/internal/ethernet", "rtnl": "vrrp/internal/rtnl", "vrrpd": "examples/vrrpd",
}

// requirementWords are the key words of BCP 14, the longer ones first.
var requirementWords = []string{"MUST NOT", "MUST", "SHOULD NOT", "SHOULD", "NOT RECOMMENDED", "RECOMMENDED", "MAY"}

// requirements counts how often RFC 9568, with its errata, uses such a word in
// each section that does.
var requirements = map[string]int{
	"2.5": 1, "5.1.1.2": 1, "5.1.1.3": 2, "5.1.2.2": 1, "5.1.2.3": 2, "5.2.2": 1, "5.2.4": 2, "5.2.5": 1, "5.2.6": 1, "5.2.9": 2,
	"6.1": 1, "6.4.2": 5, "6.4.3": 7, "7.1": 19, "7.2": 6, "7.4": 1, "8.1.2": 6, "8.1.3": 1, "8.2.1": 1, "8.2.2": 8, "8.2.3": 2, "8.2.4": 1,
	"8.3.1": 1, "8.3.2": 4, "8.4.2": 7, "8.4.2.1.1": 1, "9": 1,
}

// requirement is a row of docs/rfc9568.md.
type requirement struct {
	section, text, kept string
	tests               []string
}

// name is how errors speak of it.
func (r requirement) name() string { return "section " + r.section + ", " + r.text }

// requirementTables reads the tables of the page by their headings.
func requirementTables(t *testing.T) map[string][]requirement {
	t.Helper()
	page, err := os.ReadFile("docs/rfc9568.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := make(map[string][]requirement)
	quoted := regexp.MustCompile("`([^`]*)`")
	heading := ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading = h
		}
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| section") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 4 {
			t.Fatalf("%d cells, want 4: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		r := requirement{section: cells[0], text: cells[1], kept: cells[2]}
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			r.tests = append(r.tests, m[1])
		}
		if rest := strings.TrimSpace(quoted.ReplaceAllString(cells[3], "")); rest != "" {
			t.Errorf("%s: %q among the tests", r.name(), rest)
		}
		tables[heading] = append(tables[heading], r)
	}
	return tables
}

// TestRFC9568Requirements holds docs/rfc9568.md to its own rules: nothing of the
// RFC is left out, each row says whether it is kept, a claim has a test, and
// what is not kept has a reason.
func TestRFC9568Requirements(t *testing.T) {
	tables := requirementTables(t)
	if len(tables) != 2 {
		t.Fatalf("%d tables, want those of RFC 9568 and RFC 3768", len(tables))
	}
	for heading, rows := range tables {
		for i, r := range rows {
			if i > 0 && compareSections(rows[i-1].section, r.section) > 0 {
				t.Errorf("%s: %s after section %s", heading, r.name(), rows[i-1].section)
			}
			status, reason, _ := strings.Cut(r.kept, ": ")
			switch {
			case regexp.MustCompile(`^yes\b`).MatchString(r.kept):
				if len(r.tests) == 0 {
					t.Errorf("%s: kept, and no test says so", r.name())
				}
			case status != "departs" && status != "does not apply":
				t.Errorf("%s: %q is neither kept, nor departed from, nor of no matter", r.name(), r.kept)
			case reason == "":
				t.Errorf("%s: %s, and no reason", r.name(), status)
			}
		}
	}
	got := make(map[string]int)
	for _, r := range tables["RFC 9568"] {
		if slices.ContainsFunc(requirementWords, func(w string) bool { return strings.HasPrefix(r.text, w+" ") }) {
			got[r.section]++
		}
	}
	for _, rows := range []map[string]int{requirements, got} {
		for section := range rows {
			if got[section] != requirements[section] {
				t.Errorf("section %s: %d requirements, want %d", section, got[section], requirements[section])
			}
		}
	}
}

// compareSections orders section numbers.
func compareSections(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
}

// TestRFC9568Tests fails where docs/rfc9568.md names a test, or a case of one,
// that is not there.
func TestRFC9568Tests(t *testing.T) {
	read := make(map[string]testNames)
	for _, rows := range requirementTables(t) {
		for _, r := range rows {
			for _, test := range r.tests {
				name, of, _ := strings.Cut(test, "/")
				word, function, ok := strings.Cut(name, ".")
				if !ok {
					word, function = "", name
				}
				dir, ok := conformancePackages[word]
				if !ok {
					t.Errorf("%s: %s is of no package that the page explains", r.name(), test)
					continue
				}
				if _, ok := read[dir]; !ok {
					read[dir] = testsOf(t, dir)
				}
				switch names := read[dir]; {
				case !names.functions[function]:
					t.Errorf("%s: there is no %s in %s", r.name(), function, dir)
				case of != "" && !names.cases[of]:
					t.Errorf("%s: %s in %s has no case %q", r.name(), function, dir, of)
				}
			}
		}
	}
}

// testNames are what the test files of a folder have to offer.
type testNames struct {
	functions map[string]bool
	cases     map[string]bool // string literals, and names of scripts
}

// testsOf reads the test files of a folder, those of every system.
func testsOf(t *testing.T, dir string) testNames {
	t.Helper()
	names := testNames{make(map[string]bool), make(map[string]bool)}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names.functions[f.Name.Name] = true
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					names.cases[s] = true
				}
			}
			return true
		})
	}
	scripts, err := filepath.Glob(filepath.Join(dir, "testdata", "*", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		names.cases[filepath.Base(s)] = true
	}
	return names
}
