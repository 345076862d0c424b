//go:build unix && !aix && !linux

package vrrp

// kernelDrops is not known here.
func kernelDrops(uintptr) uint64 { return 0 }
