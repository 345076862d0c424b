//go:build unix && !aix

package vrrp

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// execConfig is how programs are run.
type execConfig struct {
	env        []string
	credential *syscall.Credential // nil: as this process
	timeout    time.Duration
	grace      time.Duration // between SIGTERM and SIGKILL, and once more before it is given up
	linger     time.Duration // for output after the end
}

func newExecConfig(c *notifyConfig) (execConfig, error) {
	e := execConfig{env: append([]string{notifyPath}, c.env...), timeout: c.timeout, grace: 2 * time.Second, linger: time.Second}
	uid := os.Geteuid()
	if c.user != "" {
		credential, err := lookup(c.user, c.groupID)
		if err != nil {
			return e, err
		}
		own := int(credential.Uid) == uid && int(credential.Gid) == os.Getegid()
		if !own && uid != 0 {
			return e, fmt.Errorf("running as user %q takes root (CAP_SETUID, CAP_SETGID): %w", c.user, syscall.EPERM)
		}
		if uid == 0 {
			e.credential = credential
		}
		uid = int(credential.Uid)
	} else if c.groupID != "" {
		return e, fmt.Errorf("group %q without a user", c.groupID)
	}
	var errs []error
	for _, word := range slices.Sorted(maps.Keys(c.scripts)) {
		errs = append(errs, trustProgram(c.scripts[word][0], uid == 0))
	}
	return e, errors.Join(errs...)
}

// lookup resolves a user and a group, each a name or a number.
func lookup(name, group string) (*syscall.Credential, error) {
	var uid, gid string
	u, err := user.Lookup(name)
	if err != nil {
		u, _ = user.LookupId(name)
	}
	switch number := isID(name); {
	case u != nil:
		uid, gid = u.Uid, u.Gid
	case number && group != "":
		uid = name // a number without a name
	case number:
		return nil, fmt.Errorf("user %q has no name, so no group: give one", name)
	default:
		return nil, err
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		switch {
		case err == nil:
			gid = g.Gid
		case isID(group):
			gid = group
		default:
			return nil, err
		}
	}
	c := &syscall.Credential{}
	for _, id := range []struct {
		text string
		to   *uint32
	}{{uid, &c.Uid}, {gid, &c.Gid}} {
		n, err := strconv.ParseUint(id.text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", name, err)
		}
		*id.to = uint32(n)
	}
	return c, nil
}

func isID(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// run runs a program to its end, and gives its process group the time that it
// has. Processes that it leaves in the background live on, but should let go of
// their output, which is read for a little longer.
func (e *execConfig) run(argv []string, out *lineLog) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = e.env, "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: e.credential}
	cmd.WaitDelay = e.linger
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil // it has ended well, and left somebody with its output
		}
		out.close()
		done <- err
	}()
	timer := time.NewTimer(e.timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	return e.end(cmd.Process.Pid, done)
}

// end ends a process group whose time is up, those members included that
// outlive their leader. Only a process that the kernel cannot end is left
// behind.
func (e *execConfig) end(pgid int, done <-chan error) error {
	late := fmt.Errorf("not done after %v", e.timeout)
	_ = syscall.Kill(-pgid, syscall.SIGTERM)
	ended := e.within(done)
	_ = syscall.Kill(-pgid, syscall.SIGKILL)
	if !ended && !e.within(done) {
		return fmt.Errorf("%w, and process %d does not die of SIGKILL", late, pgid)
	}
	return late
}

func (e *execConfig) within(done <-chan error) bool {
	timer := time.NewTimer(e.grace)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
