package mainstay

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/mainstay-ha/mainstay"

// directDependencies is the whole list the root module may require directly. CONTRIBUTING.md gives the reason of each.
var directDependencies = []string{
	"golang.org/x/net",
	"golang.org/x/sys",
	"golang.org/x/time",
	"github.com/mdlayher/packet",
	"github.com/mdlayher/netlink",
	"github.com/mdlayher/genetlink",
}

// publicRoots are the independent packages. A folder below one of them belongs to it.
var publicRoots = []string{"vrrp", "lvs", "upstream", "proxy", "ratelimit", "healthcheck"}

// siblings lists the only arrows allowed between them.
var siblings = map[string][]string{"proxy": {"upstream"}}

// goFile is one file of the root module, with its imports.
type goFile struct {
	path    string // slash-separated, from the module's root
	imports []string
	test    bool
}

func (f goFile) dir() string { return path.Dir(f.path) }

// root returns the public package that the folder dir belongs to, or "".
func rootOf(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	if slices.Contains(publicRoots, first) {
		return first
	}
	return ""
}

// forbidden says why the file may not import the package, or "".
func forbidden(f goFile, imported string) string {
	local, ok := strings.CutPrefix(imported, modulePath+"/")
	if !ok {
		if imported == modulePath {
			return "the root package is documentation: nothing imports it"
		}
		if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") &&
			!slices.ContainsFunc(directDependencies, func(d string) bool { return imported == d || strings.HasPrefix(imported, d+"/") }) {
			return "not in the list of direct dependencies"
		}
		return ""
	}
	from, to := rootOf(f.dir()), rootOf(local)
	switch {
	case f.dir() == "." && f.test, strings.HasPrefix(f.dir(), "examples/"):
		return "" // composition is what they are for
	case f.dir() == ".":
		return "the root package imports nothing"
	case strings.HasPrefix(local, "examples/"):
		return "examples are programs: nothing imports them"
	case strings.HasPrefix(f.dir(), "internal/") && to != "":
		return "internal packages know no public package"
	case from == "" || to == "" || from == to && (local == f.dir() || from == local || !f.isParentOf(local)):
		return ""
	case from == to:
		return "a package may not import its own sub-package"
	case slices.Contains(siblings[from], to):
		return ""
	}
	return "siblings know nothing of each other"
}

// isParentOf reports whether imported is a public folder below the file's own.
func (f goFile) isParentOf(imported string) bool {
	return strings.HasPrefix(imported, f.dir()+"/") && !strings.Contains(imported, "/internal/")
}

func TestArchitectureImports(t *testing.T) {
	files := moduleFiles(t)
	if len(files) == 0 {
		t.Fatal("no Go file found")
	}
	for _, f := range files {
		for _, imported := range f.imports {
			if why := forbidden(f, imported); why != "" {
				t.Errorf("%s imports %s: %s", f.path, imported, why)
			}
		}
	}
}

// TestArchitectureRules holds the rule function itself to the rules of docs/architecture.md.
func TestArchitectureRules(t *testing.T) {
	for _, c := range []struct {
		name, file, imported string
		ok                   bool
	}{
		{"proxy may use upstream", "proxy/a.go", "upstream", true},
		{"upstream may not use proxy", "upstream/a.go", "proxy", false},
		{"vrrp may not use healthcheck", "vrrp/a.go", "healthcheck", false},
		{"a test is held to the same rule", "vrrp/a_test.go", "healthcheck", false},
		{"a sub-package may use its parent", "lvs/relay/a.go", "lvs", true},
		{"a parent may not use its sub-package", "lvs/a.go", "lvs/relay", false},
		{"a package may use its own internals", "proxy/a.go", "proxy/internal/http1", true},
		{"a sub-package may not use a foreign root", "lvs/relay/a.go", "upstream", false},
		{"internal may use internal", "internal/a/a.go", "internal/b", true},
		{"internal may not use a public package", "internal/a/a.go", "vrrp", false},
		{"anything may use internal", "vrrp/a.go", "internal/notify", true},
		{"examples may use all", "examples/x/main.go", "vrrp", true},
		{"nothing may use an example", "vrrp/a.go", "examples/x", false},
		{"the root imports nothing", "doc.go", "vrrp", false},
		{"the root's tests compose", "example_test.go", "vrrp", true},
	} {
		f := goFile{path: c.file, test: strings.HasSuffix(c.file, "_test.go")}
		if why := forbidden(f, modulePath+"/"+c.imported); (why == "") != c.ok {
			t.Errorf("%s: %s importing %s: verdict %q, want allowed = %v", c.name, c.file, c.imported, why, c.ok)
		}
	}
	if forbidden(goFile{path: "vrrp/a.go"}, "github.com/sirupsen/logrus") == "" {
		t.Error("a foreign module passes")
	}
}

func TestArchitectureDirectDependencies(t *testing.T) {
	b, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "require (":
			in = true
		case line == ")":
			in = false
		case strings.HasPrefix(line, "require ") || in:
			fields := strings.Fields(strings.TrimPrefix(line, "require "))
			if len(fields) >= 2 && !strings.HasSuffix(line, "// indirect") && !slices.Contains(directDependencies, fields[0]) {
				t.Errorf("go.mod requires %s directly: not in the list", fields[0])
			}
		case strings.HasPrefix(line, "replace "):
			t.Errorf("go.mod has %q: a replace never reaches a user", line)
		}
	}
}

func TestArchitectureRootExportsNothing(t *testing.T) {
	for _, f := range moduleFiles(t) {
		if f.dir() != "." || f.test {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if len(parsed.Decls) != 0 {
			t.Errorf("%s declares something: the root package only documents", f.path)
		}
	}
}

// TestArchitectureFolders keeps the top level to the folders of docs/architecture.md.
func TestArchitectureFolders(t *testing.T) {
	allowed := append([]string{"internal", "examples", "docs", "tools"}, publicRoots...)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("folder %s is not part of the house", e.Name())
		}
	}
	for _, name := range publicRoots {
		if _, err := os.Stat(name); err != nil {
			continue // not built yet
		}
		if _, err := os.Stat(filepath.Join(name, "doc.go")); err != nil {
			t.Errorf("package %s has no doc.go: %v", name, err)
		}
	}
}

// moduleFiles lists the Go files of the root module; nested modules and testdata are not part of it.
func moduleFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p == "." {
				return nil
			}
			if strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files = append(files, goFile{path: filepath.ToSlash(p), imports: importPaths(parsed), test: strings.HasSuffix(p, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func importPaths(f *ast.File) []string {
	var paths []string
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}
