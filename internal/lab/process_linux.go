package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that runs in a host.
type Process struct {
	Name string

	host  *Host
	cmd   *exec.Cmd
	child int           // process id of one that would speak up if its parent died, or 0
	done  chan struct{} // closed: it has ended, and its output was read
	err   error         // of Wait, after done

	mu    sync.Mutex // guards lines
	lines []Line
}

// Line is one line that a program printed, on either output.
type Line struct {
	At   time.Time
	Text string
}

// attributes ties a program to the thread that starts it.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL} }

// Start starts a program in the host. It is killed when the laboratory ends.
func (h *Host) Start(name string, args ...string) *Process {
	h.lab.t.Helper()
	return h.StartCmd(exec.Command(name, args...))
}

// StartCmd is Start for a prepared command; its outputs are the laboratory's.
func (h *Host) StartCmd(cmd *exec.Cmd) *Process {
	h.lab.t.Helper()
	p := &Process{Name: filepath.Base(cmd.Path), host: h, cmd: cmd, done: make(chan struct{})}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = 5 * time.Second // for what it leaves running with its outputs
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = attributes()
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	h.Do(cmd.Start)
	h.lab.mu.Lock()
	h.lab.processes = append(h.lab.processes, p)
	h.lab.mu.Unlock()
	go func() { // joined by done
		defer h.lab.notify()
		defer close(p.done)
		read := make(chan struct{})
		go func() { defer close(read); p.read(r) }()
		p.err = cmd.Wait()
		_ = w.Close()
		<-read
	}()
	return p
}

// read keeps what the program prints.
func (p *Process) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, Line{time.Now(), scanner.Text()})
		p.mu.Unlock()
		p.host.lab.notify()
	}
	_, _ = io.Copy(io.Discard, r) // after a line that is too long
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Lines returns what the program has printed.
func (p *Process) Lines() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[:len(p.lines):len(p.lines)]
}

// Output returns what the program has printed, as one text.
func (p *Process) Output() string {
	var b strings.Builder
	for _, l := range p.Lines() {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

// WaitLine waits for a line that matches the expression, and returns what its
// groups match.
func (p *Process) WaitLine(expr string) []string {
	p.host.lab.t.Helper()
	re := regexp.MustCompile(expr)
	var found []string
	seen := 0
	p.host.lab.Wait(fmt.Sprintf("host %d: a line of %s that matches %s", p.host.N, p.Name, expr), func() bool {
		ended := p.Ended() // before the look at the lines: all are there then
		lines := p.Lines()
		for _, l := range lines[seen:] {
			if found = re.FindStringSubmatch(l.Text); found != nil {
				return true
			}
		}
		seen = len(lines)
		if ended {
			p.host.lab.Fatalf("host %d: %s ended (%v) without a line that matches %s", p.host.N, p.Name, p.err, expr)
		}
		return false
	})
	return found
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Join waits until the program has ended, and returns how.
func (p *Process) Join() error {
	p.host.lab.t.Helper()
	p.host.lab.Wait(fmt.Sprintf("host %d: the end of %s", p.host.N, p.Name), p.Ended)
	return p.err
}

// Signal sends a signal; a program that has ended is fine.
func (p *Process) Signal(sig syscall.Signal) {
	p.host.lab.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !p.Ended() && !errors.Is(err, unix.ESRCH) {
		p.host.lab.Fatalf("host %d: %v to %s: %v", p.host.N, sig, p.Name, err)
	}
}

// end kills the program, at the end of the laboratory.
func (p *Process) end() {
	if p.child != 0 && !p.Ended() {
		_ = syscall.Kill(p.child, unix.SIGKILL) // it may have ended
	}
	_ = p.cmd.Process.Kill() // likewise
	<-p.done
}
