//go:build !unix || aix

package vrrp

import (
	"errors"
	"net"
	"time"
)

// udpReader is a plain loop where there is no way to look into a socket without
// waiting: an advert that the loop has not read yet may be taken for silence.
type udpReader struct{ buf [1<<16 - 1]byte }

func openUDP(u *UDP, conn *net.UDPConn) (Link, error) {
	l := newUDPLink(u, conn)
	l.running.Go(l.watch)
	return l, nil
}

// countOverflow does nothing: watch counts.
func (l *udpLink) countOverflow() {}

func (l *udpLink) Ready() <-chan struct{} { return l.ready }

func (l *udpLink) watch() {
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(l.reader.buf[:])
		switch {
		case err == nil:
			if !l.admit(l.reader.buf[:n], from) {
				l.dropped[DropOverflow].Add(1)
			}
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// An ICMP message about something we sent, as Windows reports
			// it, or a lack of memory: a pause keeps that from spinning.
			select {
			case <-time.After(time.Millisecond):
			case <-l.done:
				return
			}
		}
	}
}

// writable cannot tell.
func (l *udpLink) writable() bool { return true }

// Receive takes what watch has read.
func (l *udpLink) Receive(packets []Packet) (int, error) {
	select {
	case <-l.done:
		return 0, net.ErrClosed
	default:
		return l.take(packets), nil
	}
}
