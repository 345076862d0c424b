package healthcheck

// entry is one target in a heap: 16 bytes.
type entry struct {
	at    int64  // when, in the manager's nanoseconds
	index uint32 // which target
}

// heap orders targets by time. It is a 4-ary heap that knows where every
// target is: half the depth of a binary one, and four children lie in one
// cache line. A target is in it at most once.
type heap struct {
	entries []entry
	place   []int32 // by target: its position in entries plus 1; 0 when absent
}

// top returns the earliest entry.
func (h *heap) top() (entry, bool) {
	if len(h.entries) == 0 {
		return entry{}, false
	}
	return h.entries[0], true
}

// push puts a target in, or moves it if it is there.
func (h *heap) push(index uint32, at int64) {
	h.remove(index)
	for int(index) >= len(h.place) {
		h.place = append(h.place, 0)
	}
	e := entry{at: at, index: index}
	h.entries = append(h.entries, e)
	h.up(len(h.entries)-1, e)
}

// remove takes a target out, if it is there.
func (h *heap) remove(index uint32) {
	if int(index) >= len(h.place) || h.place[index] == 0 {
		return
	}
	hole := int(h.place[index]) - 1
	h.place[index] = 0
	last := len(h.entries) - 1
	e := h.entries[last]
	h.entries = h.entries[:last]
	switch {
	case hole == last:
	case hole > 0 && e.at < h.entries[(hole-1)/4].at:
		h.up(hole, e)
	default:
		h.down(hole, e)
	}
}

// up puts e where position i or one of its ancestors is.
func (h *heap) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 4
		if h.entries[parent].at <= e.at {
			break
		}
		h.set(i, h.entries[parent])
		i = parent
	}
	h.set(i, e)
}

// down puts e where position i or one of its descendants is.
func (h *heap) down(i int, e entry) {
	for {
		first := 4*i + 1
		if first >= len(h.entries) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h.entries)); c++ {
			if h.entries[c].at < h.entries[least].at {
				least = c
			}
		}
		if e.at <= h.entries[least].at {
			break
		}
		h.set(i, h.entries[least])
		i = least
	}
	h.set(i, e)
}

func (h *heap) set(i int, e entry) {
	h.entries[i] = e
	h.place[e.index] = int32(i + 1)
}
