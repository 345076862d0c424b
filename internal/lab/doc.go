// Package lab builds hosts on a network for tests of protocols that need a
// kernel: network namespaces whose interfaces meet on a bridge, real programs
// that run in them, and a capture of what they say to each other (Linux).
//
//	func TestTakeover(t *testing.T) {
//		if !need.Namespace(t) {
//			return
//		}
//		l := lab.New(t, lab.Config{Hosts: 3})
//		a := lab.Keepalived{}.Start(l.Host(1), lab.Router{Priority: 150})
//		b := lab.Keepalived{}.Start(l.Host(2), lab.Router{Priority: 100})
//		...
//
// It is for tests and for the measuring programs in docs/benchmarks; nothing
// else imports it.
//
// # Hosts
//
// Host K has an interface eth0 with the MAC 02:77:00:00:00:KK and the addresses
// 10.77.0.K/24 and fd77::K/64; on further networks, numbered from 0, eth1 has
// 10.78.0.K/24 and fd77:1::K/64, and so on. Duplicate address detection, router
// solicitations, the reverse path filter and multicast snooping are off.
//
// A namespace belongs to a thread that the laboratory keeps for the host. All
// programs are started from that thread, with SIGKILL as the signal at its
// death: whatever ends the laboratory, a crash of the test included, ends them.
// Nothing is named in /run/netns, so neither a mount nor privilege outside the
// test's own user namespace is needed.
//
// # Waiting
//
// Tests wait for events, never for time. [Lab.Wait] looks again whenever a
// frame was captured, a program printed a line or ended, or an address or link
// of a host changed; it fails the test when its patience ends, and shows what
// the hosts and their programs did last.
//
// Methods fail the test and do not return errors. They are called by the test's
// goroutine.
package lab
