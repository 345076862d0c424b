package vrrp

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/mainstay-ha/mainstay/internal/scarce"
)

// processTable is the set of processes that match. What it knows of one it has
// read from /proc after hearing of it, so that hearing twice, or late, does
// no harm.
type processTable struct {
	spec *ProcessSpec
	root string // "/proc"
	read func(path string) ([]byte, error)
	pids map[int]struct{}
}

func newProcessTable(spec *ProcessSpec, root string) *processTable {
	return &processTable{spec: spec, root: root, read: os.ReadFile, pids: map[int]struct{}{}}
}

// up tells whether their number is right.
func (t *processTable) up() bool { return t.spec.right(len(t.pids)) }

// scan looks at every process. With an error it has changed nothing.
func (t *processTable) scan() error {
	dir, err := os.Open(t.root)
	if err != nil {
		return err
	}
	defer dir.Close()
	pids := map[int]struct{}{}
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			pid, e := strconv.Atoi(name)
			if e != nil {
				continue
			}
			switch ok, e := t.matches(pid); {
			case e != nil:
				return e
			case ok:
				pids[pid] = struct{}{}
			}
		}
		if err == io.EOF {
			t.pids = pids
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// look takes a process in, or out. With an error it has done neither.
func (t *processTable) look(pid int) error {
	ok, err := t.matches(pid)
	switch {
	case err != nil:
		return err
	case ok:
		t.pids[pid] = struct{}{}
	default:
		t.gone(pid)
	}
	return nil
}

// gone takes a process out that has ended.
func (t *processTable) gone(pid int) { delete(t.pids, pid) }

// matches reads as few files as it can: most processes differ in the name. One
// that cannot be read has ended, or is hidden from us; the error is that
// this process lacks descriptors or memory to tell.
func (t *processTable) matches(pid int) (bool, error) {
	dir, s := t.root+"/"+strconv.Itoa(pid), t.spec
	if !s.FullCommand {
		comm, err := t.read(dir + "/comm")
		if err != nil || string(bytes.TrimSuffix(comm, []byte("\n"))) != s.Name {
			return false, ownTrouble(err)
		}
	}
	if s.FullCommand || len(s.Params) > 0 || s.ParamMatch != ParamsExact {
		line, err := t.read(dir + "/cmdline")
		if err != nil || !s.matchesLine(line) {
			return false, ownTrouble(err)
		}
	}
	stat, err := t.read(dir + "/stat")
	return err == nil && statAlive(stat), ownTrouble(err)
}

// ownTrouble keeps an error that says nothing about the process.
func ownTrouble(err error) error {
	if err != nil && scarce.Is(err) {
		return err
	}
	return nil
}

// matchesLine compares a command line, words that each end with a NUL. Kernel
// threads and zombies have none; a process that shows a title in its place
// often leaves NULs behind it.
func (s *ProcessSpec) matchesLine(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	words := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	return (!s.FullCommand || words[0] == s.Name) && s.matchesParams(words[1:])
}

func (s *ProcessSpec) matchesParams(words []string) bool {
	n := len(s.Params)
	switch {
	case s.ParamMatch == ParamsNone:
		return len(words) == 0
	case s.ParamMatch == ParamsExact:
		return n == 0 || slices.Equal(words, s.Params)
	case len(words) < n:
		return false
	case s.ParamMatch == ParamsInitial:
		return slices.Equal(words[:n-1], s.Params[:n-1]) && strings.HasPrefix(words[n-1], s.Params[n-1])
	}
	return slices.Equal(words[:n], s.Params)
}

// statAlive reads the state in /proc/PID/stat, which follows the name: neither
// a zombie nor dead. The name may hold parentheses itself.
func statAlive(stat []byte) bool {
	at := bytes.LastIndexByte(stat, ')')
	return at >= 0 && len(stat) > at+2 && stat[at+2] != 'Z' && stat[at+2] != 'X'
}
