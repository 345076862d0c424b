package ratelimit

// ConnRule limits what is in progress of type R by one zone: nginx's limit_conn. Make one with [OnConn]. The zero
// ConnRule limits nothing.
type ConnRule[R any] struct {
	zone *conns
	key  func(R) (print uint64, ok bool)
}

// OnConn returns the rule that a request holds a slot in the zone for the key that the function gives. A request for
// which it returns false, or an empty key (see [Key]), is not limited. The key is not kept. Several rules may share a
// zone, and then count together.
func OnConn[R any, K Key](z *ConnZone[K], key func(R) (K, bool)) ConnRule[R] {
	if z == nil || key == nil {
		return ConnRule[R]{}
	}
	return ConnRule[R]{zone: &z.conns, key: bind(&z.hasher, key)}
}

// Acquire takes a slot for the request, to be released when the request is over, or returns false when it is to be
// refused. A request that is not limited gets the zero [Slot].
func (c ConnRule[R]) Acquire(r R) (Slot, bool) {
	if c.zone == nil {
		return Slot{}, true
	}
	print, ok := c.key(r)
	if !ok {
		return Slot{}, true
	}
	return c.zone.acquire(print)
}

// Enter is Acquire in the shape in which a proxy's gate takes it: the status for a refusal, else a token for Leave.
func (c ConnRule[R]) Enter(r R, status int) Verdict {
	slot, ok := c.Acquire(r)
	if !ok {
		return Verdict{Status: status}
	}
	return Verdict{Token: slot.token}
}

// Leave gives back what Enter took. A second Leave of a token, or one of 0, changes nothing.
func (c ConnRule[R]) Leave(token uint64) {
	if c.zone != nil {
		c.zone.release(token)
	}
}
