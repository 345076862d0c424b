// Package memnet is a network in memory, for tests: a LAN of datagram sockets
// that can lose, delay, duplicate, reorder and cut, and streams that behave
// like TCP connections seen through [net.Conn].
//
// Everything blocks on condition variables and timers made inside the objects,
// and there is no package-level state, so a whole network fits in a
// testing/synctest bubble: make it inside, and close it inside. It works
// outside of a bubble just as well.
//
// # Datagrams
//
// A [LAN] carries frames between sockets named by [netip.AddrPort]; port 0 is
// an ordinary port here, for protocols that have none, such as VRRP over IP.
// A multicast destination reaches every socket that joined the group and is
// bound to the destination's port, never the sender. A perfect LAN, which is
// what [NewLAN] returns, delivers at once and in order. All chance comes from
// one seeded generator: the same sends give the same faults.
//
// # Streams
//
// [Streams] offers Listen and DialContext; the connections have bounded
// buffers, half-close, reset and deadlines, which [net.Pipe] lacks. They copy
// Linux down to the details that servers meet: data written before a close or
// a reset can still be read; closing with unread data resets; the first write
// to a peer that closed succeeds and is answered by a reset, later ones fail
// with EPIPE. Two differences make tests steady: a reset is reported by every
// later read as ECONNRESET, not by the first call only, and CloseRead throws
// away what was not read yet, as BSD does.
package memnet
