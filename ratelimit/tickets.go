package ratelimit

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// tickets remembers which acquisitions are still to be released, so that each is released once however often it is
// asked for. A ticket is a cell that is taken from a free list and goes back to it; its number of use tells a ticket
// from an earlier one in the same cell. Cells come in blocks that double in size and stay.
//
// A cell holds its number of use in the high half, odd while it is out, and in the low half what it stands for, or the
// next free cell. Cell 0 is not used: as the end of the list it means none.
type tickets struct {
	blocks [len2]atomic.Pointer[[]atomic.Uint64]

	_    [64]byte
	free atomic.Uint64 // the first free cell; a count in the high half makes every state of the list different
	_    [56]byte

	mu    sync.Mutex // guards cells, and that one block is made at a time
	cells uint32     // in all blocks
}

const (
	firstBlock = 256 // cells, 2 KiB
	len2       = 24  // blocks: as many cells as a zone has connections in any machine
)

// cell returns the cell of an index, or nil when there is none.
func (t *tickets) cell(i uint32) *atomic.Uint64 {
	n := bits.Len32(i/firstBlock + 1)
	if n > len2 {
		return nil
	}
	block := t.blocks[n-1].Load()
	if block == nil {
		return nil
	}
	return &(*block)[i-firstBlock*(1<<(n-1)-1)]
}

// take returns a ticket for the value, or 0 when there are no more.
func (t *tickets) take(value uint32) uint64 {
	for {
		head := t.free.Load()
		i := uint32(head)
		if i == 0 {
			if !t.grow() {
				return 0
			}
			continue
		}
		c := t.cell(i)
		state := c.Load()
		if !t.free.CompareAndSwap(head, (head>>32+1)<<32|state&0xffff_ffff) {
			continue
		}
		use := state>>32 + 1
		c.Store(use<<32 | uint64(value))
		return use<<32 | uint64(i)
	}
}

// give takes a ticket back and returns its value, once. It is false for what is no ticket, or not any more.
func (t *tickets) give(ticket uint64) (value uint32, ok bool) {
	use, i := ticket>>32, uint32(ticket)
	c := t.cell(i)
	if i == 0 || use&1 == 0 || c == nil {
		return 0, false
	}
	state := c.Load()
	back := (use + 1) & 0xffff_ffff << 32
	if state>>32 != use || !c.CompareAndSwap(state, back) {
		return 0, false
	}
	t.push(c, i, back)
	return uint32(state), true
}

// push puts a cell that nobody else refers to on the free list.
func (t *tickets) push(c *atomic.Uint64, i uint32, state uint64) {
	for {
		head := t.free.Load()
		c.Store(state | head&0xffff_ffff)
		if t.free.CompareAndSwap(head, (head>>32+1)<<32|uint64(i)) {
			return
		}
	}
}

// grow adds a block, unless somebody else just did.
func (t *tickets) grow() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if uint32(t.free.Load()) != 0 {
		return true
	}
	n := bits.Len32(t.cells/firstBlock + 1)
	if n > len2 {
		return false
	}
	block := make([]atomic.Uint64, firstBlock<<(n-1))
	t.blocks[n-1].Store(&block)
	base := t.cells
	t.cells += uint32(len(block))
	for i := len(block) - 1; i >= 0; i-- {
		if at := base + uint32(i); at != 0 {
			t.push(&block[i], at, 0)
		}
	}
	return true
}

// bytes returns the memory of the blocks.
func (t *tickets) bytes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.cells) * 8
}
