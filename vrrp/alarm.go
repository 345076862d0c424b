package vrrp

// alarm is a deadline on an engine.
type alarm struct {
	at    instant // valid while it is set
	place int     // in alarms, from 1; 0: not set
	owner interface{ honour(now instant) }
}

// alarms is a heap of what is set, the earliest first.
type alarms []*alarm

// next returns when the first alarm is due, or never.
func (h alarms) next() instant {
	if len(h) == 0 {
		return never
	}
	return h[0].at
}

// set moves a to at; never takes it out.
func (h *alarms) set(a *alarm, at instant) {
	switch {
	case at == never:
		h.remove(a)
		return
	case a.place == 0:
		*h = append(*h, a)
		a.place = len(*h)
	case a.at == at:
		return
	}
	a.at = at
	h.down(h.up(a.place - 1))
}

func (h *alarms) remove(a *alarm) {
	if a.place == 0 {
		return
	}
	i, last := a.place-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = 0
	if i < last {
		h.down(h.up(i))
	}
}

// up moves the alarm in slot i towards the front, and returns where it ends.
func (h alarms) up(i int) int {
	for i > 0 && h[i].at < h[(i-1)/2].at {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	return i
}

// down moves the alarm in slot i towards the back.
func (h alarms) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].at < h[least].at {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h alarms) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}
