// Command mutation proves that the gates can fail: it puts each committed defect of the mutations folder into a copy of
// the module, runs the test that guards against it, and wants that test red.
//
//	go run ./internal/mutation            every mutation
//	go run ./internal/mutation -run lvs   those whose name matches the regular expression
//	go run ./internal/mutation -list      their names and reasons
//
// It exits 1 when a mutation survives, does not apply, or does not compile.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	pattern := flag.String("run", "", "only mutations whose name matches this regular expression")
	list := flag.Bool("list", false, "print the mutations and exit")
	flag.Parse()
	if err := run(*pattern, *list); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

func run(pattern string, list bool) error {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	all, err := load(filepath.Join(root, "internal", "mutation", "mutations"))
	if err != nil {
		return err
	}
	if list {
		for _, m := range all {
			fmt.Printf("%-36s %s\n", m.name, m.why)
		}
		return nil
	}
	var chosen []mutation
	for _, m := range all {
		if match.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no mutation matches %q", pattern)
	}
	work, err := os.MkdirTemp("", "mutation-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	return runAll(chosen, root, work)
}

// runAll tries the mutations, several at once, each worker in a copy of the tree of its own.
func runAll(chosen []mutation, root, work string) error {
	jobs := make(chan mutation)
	clean := &baseline{results: make(map[string]func() error)}
	var mu sync.Mutex // guards survived and the order of lines
	var survived []error
	var wg sync.WaitGroup
	for i := range min(runtime.GOMAXPROCS(0), len(chosen)) {
		tree := filepath.Join(work, strconv.Itoa(i))
		if err := copyTree(root, tree); err != nil {
			return err
		}
		wg.Go(func() {
			for m := range jobs {
				start := time.Now()
				err := try(m, tree, clean)
				mu.Lock()
				if err != nil {
					survived = append(survived, fmt.Errorf("%s: %w", m.name, err))
					fmt.Printf("SURVIVED %-36s %5.1fs %v\n", m.name, time.Since(start).Seconds(), err)
				} else {
					fmt.Printf("caught   %-36s %5.1fs %s\n", m.name, time.Since(start).Seconds(), m.why)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range chosen {
		jobs <- m
	}
	close(jobs)
	wg.Wait()
	fmt.Printf("%d mutations, %d survived\n", len(chosen), len(survived))
	return errors.Join(survived...)
}

// A baseline remembers whether each test command is green without a defect. It runs each once.
type baseline struct {
	mu      sync.Mutex // guards results
	results map[string]func() error
}

func (b *baseline) check(m mutation, tree string) error {
	command := strings.Join(m.test, " ")
	b.mu.Lock()
	once, known := b.results[command]
	if !known {
		once = sync.OnceValue(func() error {
			out, err := goTest(m, tree)
			switch {
			case err != nil:
				return fmt.Errorf("%s fails without the mutation: %w\n%s", command, err, tail(out))
			case strings.Contains(out, "no tests to run") || strings.Contains(out, "no test files"):
				return fmt.Errorf("%s runs no test", command)
			}
			return nil
		})
		b.results[command] = once
	}
	b.mu.Unlock()
	return once()
}

// try wants the mutation's test green without the defect and red with it.
func try(m mutation, tree string, clean *baseline) error {
	if err := clean.check(m, tree); err != nil {
		return err
	}
	undo, err := m.apply(tree)
	if err != nil {
		return err
	}
	var out string
	for range tries {
		if out, err = goTest(m, tree, "-count=1"); err != nil {
			break
		}
	}
	if undoErr := undo(); undoErr != nil {
		return undoErr
	}
	switch {
	case err == nil:
		return fmt.Errorf("%s passes %d times with the defect in %s", strings.Join(m.test, " "), tries, m.file)
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return fmt.Errorf("the mutated code does not compile:\n%s", tail(out))
	}
	return nil
}

// tries is how often a mutation's test may pass before the mutation has survived: a defect that shows itself only when
// goroutines meet may need a second look.
const tries = 3

func goTest(m mutation, tree string, flags ...string) (string, error) {
	args := slices.Concat(m.test[1:2], flags, m.test[2:])
	cmd := exec.Command(m.test[0], args...)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "MAINSTAY_TEST=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func tail(s string) string {
	const most = 2000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// copyTree copies the regular files of the module; hidden folders stay behind.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && rel != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
}
