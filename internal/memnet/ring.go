package memnet

// ring is a first-in first-out buffer of bytes with a limit. It grows by
// doubling, so a connection that carries little costs little.
type ring struct {
	buf   []byte
	start int
	n     int
	limit int
}

// write takes as much of p as fits and returns how much that was.
func (r *ring) write(p []byte) int {
	p = p[:min(len(p), r.limit-r.n)]
	r.grow(r.n + len(p))
	for rest := p; len(rest) > 0; {
		at := (r.start + r.n) % len(r.buf)
		n := copy(r.buf[at:], rest) // what lies between here and start is free
		rest, r.n = rest[n:], r.n+n
	}
	return len(p)
}

// read fills p with the oldest bytes and returns how many.
func (r *ring) read(p []byte) int {
	total := 0
	for r.n > 0 && total < len(p) {
		run := r.buf[r.start:min(r.start+r.n, len(r.buf))]
		n := copy(p[total:], run)
		r.start, r.n, total = (r.start+n)%len(r.buf), r.n-n, total+n
	}
	return total
}

// drop forgets the content.
func (r *ring) drop() { r.buf, r.start, r.n = nil, 0, 0 }

// grow makes room for need bytes in total, need being within the limit.
func (r *ring) grow(need int) {
	if need <= len(r.buf) {
		return
	}
	size := max(len(r.buf), 512)
	for size < need {
		size *= 2
	}
	buf := make([]byte, min(size, r.limit))
	n := r.n
	r.read(buf)
	r.buf, r.start, r.n = buf, 0, n
}
