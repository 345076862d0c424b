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
	"strings"
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
	work, err := os.MkdirTemp("", "mutation-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := copyTree(root, work); err != nil {
		return err
	}
	green := make(map[string]error) // test command: its result on the untouched copy
	var survived []error
	ran := 0
	for _, m := range all {
		if !match.MatchString(m.name) {
			continue
		}
		ran++
		start := time.Now()
		if err := try(m, work, green); err != nil {
			survived = append(survived, fmt.Errorf("%s: %w", m.name, err))
			fmt.Printf("SURVIVED %-36s %5.1fs %v\n", m.name, time.Since(start).Seconds(), err)
			continue
		}
		fmt.Printf("caught   %-36s %5.1fs %s\n", m.name, time.Since(start).Seconds(), m.why)
	}
	if ran == 0 {
		return fmt.Errorf("no mutation matches %q", pattern)
	}
	return errors.Join(survived...)
}

// try wants the mutation's test green without the defect and red with it.
func try(m mutation, root string, green map[string]error) error {
	command := strings.Join(m.test, " ")
	clean, known := green[command]
	if !known {
		out, err := goTest(m, root)
		switch {
		case err != nil:
			clean = fmt.Errorf("%s fails without the mutation: %w\n%s", command, err, tail(out))
		case strings.Contains(out, "no tests to run") || strings.Contains(out, "no test files"):
			clean = fmt.Errorf("%s runs no test", command)
		}
		green[command] = clean
	}
	if clean != nil {
		return clean
	}
	undo, err := m.apply(root)
	if err != nil {
		return err
	}
	out, err := goTest(m, root)
	if undoErr := undo(); undoErr != nil {
		return undoErr
	}
	switch {
	case err == nil:
		return fmt.Errorf("%s passes with the defect in %s", command, m.file)
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return fmt.Errorf("the mutated code does not compile:\n%s", tail(out))
	}
	return nil
}

func goTest(m mutation, root string) (string, error) {
	cmd := exec.Command(m.test[0], m.test[1:]...)
	cmd.Dir = root
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
