package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// host is a network namespace, which a process of its own keeps.
type host struct {
	t     *testing.T
	link  string // its interface
	pid   string // of the keeper
	news  *lines // what ip monitor prints about its addresses
	start func(*exec.Cmd) error
}

// starter starts processes that end with the test, be it a crash: the kernel ties that to the thread that starts them.
func starter(t *testing.T) (start func(*exec.Cmd) error) {
	calls := make(chan func())
	ended := make(chan struct{})
	go func() { // joined by the cleanup
		defer close(ended)
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		for f := range calls {
			f()
		}
	}()
	t.Cleanup(func() { close(calls); <-ended })
	return func(cmd *exec.Cmd) error {
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
		result := make(chan error)
		calls <- func() { result <- cmd.Start() }
		return <-result
	}
}

// newHosts makes two hosts with a cable between them: left0 has 192.0.2.1/24 and fe80::1, right0 192.0.2.2/24 and fe80::2.
func newHosts(t *testing.T) (left, right *host) {
	t.Helper()
	need.Program(t, "ip", "nsenter")
	start := starter(t)
	left, right = newHost(t, "left0", start), newHost(t, "right0", start)
	// Made here and moved, the ends have different numbers. The kernel tells of the carrier of a veth a second later where
	// its peer in another namespace has the same.
	ip(t, "link", "add", left.link, "type", "veth", "peer", "name", right.link)
	for _, h := range []*host{left, right} {
		ip(t, "link", "set", h.link, "netns", h.pid)
	}
	for i, h := range []*host{left, right} {
		h.ip("link", "set", "lo", "up")
		h.ip("link", "set", h.link, "addrgenmode", "none")
		h.ip("addr", "add", fmt.Sprintf("192.0.2.%d/24", i+1), "dev", h.link)
		h.ip("addr", "add", fmt.Sprintf("fe80::%d/64", i+1), "dev", h.link, "nodad")
		h.ip("link", "set", h.link, "up")
	}
	for _, h := range []*host{left, right} {
		h.monitor()
	}
	return left, right
}

// newHost starts the keeper of a namespace.
func newHost(t *testing.T, link string, start func(*exec.Cmd) error) *host {
	t.Helper()
	keeper := program(t, "host")
	stdin, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := start(keeper); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = keeper.Wait() })
	return &host{t: t, link: link, pid: strconv.Itoa(keeper.Process.Pid), news: newLines(), start: start}
}

// inside makes a command run in the host.
func (h *host) inside(cmd *exec.Cmd) *exec.Cmd {
	enter := exec.CommandContext(h.t.Context(), "nsenter", append([]string{"--target", h.pid, "--net", "--", cmd.Path}, cmd.Args[1:]...)...)
	enter.Env = cmd.Env
	return enter
}

func (h *host) run(name string, args ...string) string {
	h.t.Helper()
	cmd := h.inside(exec.Command(name, args...))
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %s %s: %v\n%s", h.link, name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (h *host) ip(args ...string) string { h.t.Helper(); return h.run("ip", args...) }

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// monitor follows the addresses of the host. It returns when it does not miss any.
func (h *host) monitor() {
	h.t.Helper()
	cmd := h.inside(exec.Command("ip", "-o", "monitor", "address"))
	cmd.Stdout = h.news
	if err := h.start(cmd); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for !strings.Contains(h.news.String(), "127.0.0.9") {
		h.ip("addr", "add", "127.0.0.9/32", "dev", "lo")
		h.ip("addr", "del", "127.0.0.9/32", "dev", "lo")
	}
}

// gains waits for an address, and loses until it is gone.
func (h *host) gains(addr string) {
	h.t.Helper()
	h.news.find(h.t, addr, func(line string) bool {
		return strings.Contains(line, " "+addr+"/") && !strings.HasPrefix(line, "Deleted")
	})
}

func (h *host) loses(addr string) { h.t.Helper(); h.news.until(h.t, "Deleted", " "+addr+"/") }

// has reports whether the host has an address now.
func (h *host) has(addr string) bool {
	h.t.Helper()
	return strings.Contains(h.ip("-o", "address", "show"), " "+addr+"/")
}

// shown are the links and addresses. What the kernel finds out about a carrier in its own time is left out.
func (h *host) shown() string {
	h.t.Helper()
	return carrier.ReplaceAllString(h.ip("-o", "link", "show"), "") + h.ip("-o", "address", "show")
}

var carrier = regexp.MustCompile(`NO-CARRIER,|,LOWER_UP|state [A-Z]+ `)

// state is everything that a router could leave behind: with them, the kernel's settings.
func (h *host) state() string {
	h.t.Helper()
	return h.shown() + h.run("sh", "-c", "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf 2>/dev/null | sort")
}

// node is a vrrpd that runs on a host.
type node struct {
	*exec.Cmd
	host *host
	out  *lines // transitions
	log  *lines
}

// vrrpd starts one. The interface of the host comes last: it wins over the one of a file.
func (h *host) vrrpd(line string, env ...string) *node {
	h.t.Helper()
	args, err := words(line, inFile)
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := h.inside(program(h.t, "vrrpd", append(args, "-interface", h.link)...))
	n := &node{Cmd: cmd, host: h, out: newLines(), log: newLines()}
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = n.out, n.log
	if err := h.start(cmd); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // joined by the cleanup
		defer close(ended)
		_ = cmd.Wait()
		n.out.Close()
		n.log.Close()
	}()
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if h.t.Failed() {
			h.t.Logf("%s: vrrpd %s\n%s\n%s", h.link, line, n.out, n.log)
		}
	})
	return n
}

// until waits for a transition.
func (n *node) until(texts ...string) string {
	n.host.t.Helper()
	return n.out.until(n.host.t, texts...)
}

// tell sends a signal.
func (n *node) tell(signal os.Signal) {
	n.host.t.Helper()
	if err := n.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		n.host.t.Fatal(err)
	}
}

// ends sends a signal, waits for the end, and returns the exit code, -1 for death by the signal.
func (n *node) ends(signal os.Signal) int {
	n.host.t.Helper()
	n.tell(signal)
	n.out.end()
	return n.ProcessState.ExitCode()
}
