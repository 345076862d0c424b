//go:build !linux

package main

// withoutPrivilege is a role for tests on Linux.
func withoutPrivilege() int { return 99 }
