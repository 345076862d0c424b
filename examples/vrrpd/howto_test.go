package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// The set-ups of common how-tos for keepalived, in testdata/howto, and what -check makes of them.
var howtos = []struct {
	name  string
	code  int
	check string // what it prints
	left  string // the router that is Active on the left
	right string // and the one on the right
}{
	{"pair", 0, "ok", "VI_1", ""},
	{"nopreempt", 0, "ok", "VI_1", ""},
	{"both-active", 0, "ok", "VI_1", "VI_2"},
	{"both-active-script", 0, "ok", "VI_1", "VI_2"},
	{"weight-too-small", 1, "A falls from 102 to 100 when all it tracks has failed, and B has 92: the address never moves", "VI_1", ""},
	{"script-fault", 0, "ok", "VI_1", ""},
}

// howto is the file of one node.
func howto(name, node string) string {
	return filepath.Join("testdata", "howto", name+"."+node+".conf")
}

func TestHowTosAreChecked(t *testing.T) {
	for _, h := range howtos {
		t.Run(h.name, func(t *testing.T) {
			var out strings.Builder
			if code := check([]string{howto(h.name, "a"), howto(h.name, "b")}, &out, &out); code != h.code || !strings.Contains(out.String(), h.check) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s", code, h.code, h.check, out.String())
			}
		})
	}
	files, err := filepath.Glob("testdata/howto/*.conf")
	if err != nil || len(files) != 2*len(howtos) {
		t.Errorf("%d files for %d how-tos, %v", len(files), len(howtos), err)
	}
}
