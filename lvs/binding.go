package lvs

// A Binding is one connection in the books of its destination, what the kernel calls a bound connection.
// A plane makes one for every connection, keeps it as long as the connection lives and ends it with [Binding.Unbind]
// or [Binding.Fail]; both are idempotent. The zero value is unbound.
//
// [Binding.In] and [Binding.Out] may be called from any goroutine while it is bound; the other methods need one caller at a time.
type Binding struct {
	dest   *Dest
	active bool
}

// Bind enters a connection in the destination's books. It counts as inactive until [Binding.SetActive]: the kernel makes
// a TCP connection active with its first SYN, and a UDP one never.
func (d *Dest) Bind() Binding {
	for _, b := range [...]*books{&d.books, &d.service.books} {
		b.total.Add(1)
		b.conns.Add(1)
	}
	return Binding{dest: d}
}

// Dest returns the destination, or nil when unbound.
func (b *Binding) Dest() *Dest { return b.dest }

// SetActive says whether the connection is in a state that the kernel counts as active: SYN_SENT, SYN_RECV and
// ESTABLISHED are, what comes after the first FIN is not.
func (b *Binding) SetActive(on bool) {
	if b.dest == nil || b.active == on {
		return
	}
	b.active = on
	n := int64(1)
	if !on {
		n = -1
	}
	b.dest.books.active.Add(n)
	b.dest.service.books.active.Add(n)
}

// In counts n bytes from the client to the destination.
func (b *Binding) In(n int) {
	b.dest.books.in.Add(uint64(n))
	b.dest.service.books.in.Add(uint64(n))
}

// Out counts n bytes from the destination to the client.
func (b *Binding) Out(n int) {
	b.dest.books.out.Add(uint64(n))
	b.dest.service.books.out.Add(uint64(n))
}

// Unbind takes the connection out of the books.
func (b *Binding) Unbind() {
	if b.dest == nil {
		return
	}
	b.SetActive(false)
	b.dest.books.total.Add(-1)
	b.dest.service.books.total.Add(-1)
	b.dest = nil
}

// Fail is [Binding.Unbind] for a connection that never reached its destination, and counts it as failed.
func (b *Binding) Fail() {
	if b.dest == nil {
		return
	}
	b.dest.books.failed.Add(1)
	b.dest.service.books.failed.Add(1)
	b.Unbind()
}
