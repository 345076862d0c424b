package vrrp

import "os"

// namespace names the network namespace of the calling thread.
func namespace() string {
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return "" // without /proc they are all one
	}
	return name
}
