package vrrp

import (
	"testing"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
)

// Whatever waits in a socket is heard before a deadline is honoured. The kernel
// charges a frame with its buffer, its description and shared information: 576
// bytes at the least.
func TestBudgetIsMoreThanTheReceiveBuffer(t *testing.T) {
	if held := 2 * rawip.ReceiveBuffer / 576; budget <= held {
		t.Errorf("a look takes %d packets, a socket holds up to %d", budget, held)
	}
}
