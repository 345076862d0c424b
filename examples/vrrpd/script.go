package main

import (
	"context"
	"os/exec"
	"time"

	"github.com/mainstay-ha/mainstay/healthcheck"
)

// killAfter is how long a command that is out of time may take to end by itself.
const killAfter = 2 * time.Second

// script checks by a command: exit status 0 is up. It runs in a process group of its own, which gets SIGTERM when its
// time is over and SIGKILL after that.
type script struct{ command string }

var _ healthcheck.Checker = script{}

// Check runs the command with the shell.
func (s script) Check(ctx context.Context, _ healthcheck.Target) healthcheck.Result {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.command)
	ownGroup(cmd)
	cmd.WaitDelay = killAfter
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		killGroup(cmd)
		err = ctx.Err()
	}
	return healthcheck.ResultOf(err)
}
