// Package cable joins a test's network namespace to a second one by a virtual
// Ethernet cable. It is for tests only.
package cable
