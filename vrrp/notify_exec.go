package vrrp

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// NotifyMaster runs a program when the router becomes Active (notify_master).
// path is absolute; args are its arguments as they are: there is no shell
// unless it is the program.
func NotifyMaster(path string, args ...string) NotifyOption {
	return notifyScript("NotifyMaster", wordMaster, path, args)
}

// NotifyBackup runs a program when the router becomes a Backup (notify_backup).
func NotifyBackup(path string, args ...string) NotifyOption {
	return notifyScript("NotifyBackup", wordBackup, path, args)
}

// NotifyFault runs a program when the router enters Fault (notify_fault).
func NotifyFault(path string, args ...string) NotifyOption {
	return notifyScript("NotifyFault", wordFault, path, args)
}

// NotifyStop runs a program when Run ends (notify_stop). Run waits for it.
func NotifyStop(path string, args ...string) NotifyOption {
	return notifyScript("NotifyStop", wordStop, path, args)
}

// NotifyMasterRxLowerPri runs a program when the Active router has heard a
// lower priority (notify_master_rx_lower_pri); see [ExecNotifier.Observe].
func NotifyMasterRxLowerPri(path string, args ...string) NotifyOption {
	return notifyScript("NotifyMasterRxLowerPri", wordMasterRxLower, path, args)
}

// NotifyScript runs a program at every transition (notify), with four arguments
// after args: INSTANCE or GROUP, the name, MASTER, BACKUP, FAULT or STOP, and
// the priority, which is 0 for a group. DELETED is never said: a router whose
// Run has ended says STOP.
func NotifyScript(path string, args ...string) NotifyOption {
	return notifyScript("NotifyScript", "", path, args)
}

func notifyScript(option, word, path string, args []string) NotifyOption {
	argv := append([]string{path}, args...)
	return func(c *notifyConfig) { c.scripts[word], c.forExec = argv, append(c.forExec, option) }
}

// NotifyTimeout sets how long a program may run, default 30s. Then its process
// group gets SIGTERM, and SIGKILL two seconds later.
func NotifyTimeout(d time.Duration) NotifyOption {
	return func(c *notifyConfig) { c.timeout, c.forExec = d, append(c.forExec, "NotifyTimeout") }
}

// NotifyUser runs the programs as another user (script_user), which only root
// may. Both are a name or a number; an empty group is that of the user. There
// are no supplementary groups. Default: the user of this process.
func NotifyUser(user, group string) NotifyOption {
	return func(c *notifyConfig) {
		c.user, c.groupID, c.forExec = user, group, append(c.forExec, "NotifyUser")
	}
}

// NotifyEnv adds KEY=value to the environment of the programs, which otherwise
// has PATH alone: what this process keeps in its own is no business of theirs.
// [os.Environ] hands that over.
func NotifyEnv(env ...string) NotifyOption {
	env = slices.Clone(env)
	return func(c *notifyConfig) { c.env, c.forExec = append(c.env, env...), append(c.forExec, "NotifyEnv") }
}

// notifyPath is the PATH of the programs.
const notifyPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ExecNotifier runs programs at transitions. Make one with [ExecNotify].
type ExecNotifier struct {
	config *notifyConfig
	exec   execConfig
	stats  notifyStats

	mu   sync.Mutex // held while programs run: one at a time
	seen observer   // guarded by mu
}

// ExecNotify makes a notifier that runs programs as keepalived's notify
// scripts: at each transition the one for the new state, then the general one,
// one at a time and in order. name is what they know the router by
// (vrrp_instance).
//
//	scripts, err := vrrp.ExecNotify("VI_1",
//		vrrp.NotifyMaster("/etc/keepalived/master.sh"),
//		vrrp.NotifyScript("/etc/keepalived/notify.sh"))
//	router, err := vrrp.New(51, vips, vrrp.WithOnTransition(scripts.Notify), ...)
//
// Programs have a process group of their own, no input, / as directory, and in
// their environment PATH and what [NotifyEnv] adds. What they print is logged,
// up to 64 lines of 1,024 bytes each. A failure is logged and counted; nothing
// is tried again. [Router.Run] returns after the program of its last
// transition, so [NotifyTimeout] bounds how long a stop can take.
//
// The error lists every problem: a program that is missing or not executable, a
// user that does not exist. Run as root, a program must belong to root, and so
// must every directory on the way to it and every symbolic link; nobody else
// may have write access, except to a directory with the sticky bit
// (enable_script_security). On systems without process groups it wraps
// [errors.ErrUnsupported].
func ExecNotify(name string, opts ...NotifyOption) (*ExecNotifier, error) {
	c, err := newNotifyConfig(name, opts)
	if err == nil {
		err = refuse(c.forFIFO, "a program")
	}
	if err == nil && len(c.scripts) == 0 {
		err = fmt.Errorf("no program is given")
	}
	n := &ExecNotifier{config: c}
	if err == nil {
		n.exec, err = newExecConfig(c)
	}
	if err != nil {
		return nil, fmt.Errorf("vrrp: notify %q: %w", name, err)
	}
	return n, nil
}

// Notify runs the programs for one transition, for [WithOnTransition]. It
// returns when they have ended: the router does not wait for that, but the next
// transition does, and so do the callbacks after this one.
func (n *ExecNotifier) Notify(t Transition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	word := stateWord(t.To)
	if argv := n.config.scripts[word]; argv != nil {
		n.lockedRun(argv, word)
	}
	if argv := n.config.scripts[""]; argv != nil {
		kind, name, state, priority := n.config.fields(word, t.Priority)
		n.lockedRun(append(slices.Clip(argv), kind, name, state, priority), word)
	}
}

// Observe runs the program of [NotifyMasterRxLowerPri] if the router has heard
// a lower priority while it was Active, since the last call. That is no
// transition, so whoever wants to know calls Observe with [Router.Snapshot] now
// and then.
func (n *ExecNotifier) Observe(s Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, word := range n.seen.observe(s) {
		if argv := n.config.scripts[word]; argv != nil {
			n.lockedRun(argv, word)
		}
	}
}

// Snapshot returns what has been run so far. It may be called at any time.
func (n *ExecNotifier) Snapshot() NotifyStatus { return n.stats.status(n.config.name) }

// lockedRun runs one program to its end; n.mu is held.
func (n *ExecNotifier) lockedRun(argv []string, word string) {
	log := n.config.log.With("script", argv[0], "state", word)
	if err := n.exec.run(argv, newLineLog(log)); err != nil {
		n.stats.errors.Add(1)
		log.Error("notify script", "err", err)
		return
	}
	n.stats.notified.Add(1)
}
