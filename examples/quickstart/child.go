//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// roleVariable tells a child what it is; configVariable holds its configuration as JSON.
const (
	roleVariable   = "QUICKSTART_ROLE"
	configVariable = "QUICKSTART_CONFIG"
)

// An event is one line of JSON that a child writes to its standard output.
type event struct {
	From  string `json:"-"`               // the child's name, filled in by the parent
	Kind  string `json:"event"`           // listening, ready, state, backend, drained (a term is over), exit
	Addr  string `json:"addr,omitempty"`  // listening: where; ready: the node's debug door
	State string `json:"state,omitempty"` // state: the VRRP state just entered
	ID    string `json:"id,omitempty"`    // backend: which
	Up    bool   `json:"up,omitempty"`    // backend: alive or not
	Err   string `json:"err,omitempty"`   // exit: how it ended, empty for a clean end
}

// A child is this program again, in a role.
//
// Its standard input is a pipe that only the parent writes to: commands come by it, and its end tells the child that the
// parent is gone, however it went. It has a process group of its own, so that Ctrl-C reaches the parent alone.
type child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed when the process has been waited for
}

// start runs this program in the role. Its events go to the function, in order, and an exit event comes last.
// Files become descriptors 3 and up in the child.
func start(role, name string, config any, events func(event), files ...*os.File) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	b, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	c := &child{name: name, cmd: exec.Command(self), done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role, configVariable+"="+string(b))
	c.cmd.Stderr = os.Stderr
	c.cmd.ExtraFiles = files
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { // joined by stop: it ends with the process
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				fmt.Fprintf(os.Stderr, "%s said: %s\n", name, lines.Bytes())
				continue
			}
			e.From = name
			events(e)
		}
		e := event{From: name, Kind: "exit"}
		if err := c.cmd.Wait(); err != nil {
			e.Err = err.Error()
		}
		close(c.done)
		events(e)
	}()
	return c, nil
}

// say sends the child a command. A child that is gone hears nothing; its exit event tells.
func (c *child) say(command string) { _, _ = io.WriteString(c.stdin, command+"\n") }

// kill ends the child as a power cut would: no signal handler runs, nothing is said to anyone.
func (c *child) kill() error { return c.cmd.Process.Signal(syscall.SIGKILL) }

// stop ends the child's input, which ends the child, and waits for it.
func (c *child) stop() {
	_ = c.stdin.Close() // closed already when the child is gone
	<-c.done
}

// An emitter writes a child's events. It is safe for several goroutines.
type emitter struct {
	mu  sync.Mutex // guards out
	out io.Writer
}

func (e *emitter) emit(ev event) {
	b, err := json.Marshal(ev)
	if err != nil {
		return // an event holds strings and booleans only
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = e.out.Write(append(b, '\n')) // the parent is gone: so is this process in a moment
}

// commands calls the function for each line of standard input, and closes gone when the input ends.
func commands(command func(string)) (gone <-chan struct{}) {
	end := make(chan struct{})
	go func() { // lives as long as the process
		defer close(end)
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			command(lines.Text())
		}
	}()
	return end
}
