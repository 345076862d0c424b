package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

// CPU returns how long a process has run, all its threads together, to the
// nanosecond (schedstat). Threads that have ended are not in it.
func CPU(t lab.T, pid int) time.Duration {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is right
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // has just ended
		}
		n, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		sum += time.Duration(n)
	}
	return sum
}

// Memory returns what a process has in memory that is its own, in kB: anonymous
// memory, and all that is resident.
func Memory(t lab.T, pid int) (anonymous, resident int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("%v", err)
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch name {
		case "RssAnon":
			anonymous, _ = strconv.Atoi(fields[0])
		case "VmRSS":
			resident, _ = strconv.Atoi(fields[0])
		}
	}
	return anonymous, resident
}
