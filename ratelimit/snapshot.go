package ratelimit

// ZoneSnapshot is the state of a [Zone].
type ZoneSnapshot struct {
	Name      string  `json:"zone"`      // its name: WithName
	Rate      float64 `json:"rate"`      // requests per second
	Capacity  int     `json:"capacity"`  // keys at a load of a half
	Bytes     int     `json:"bytes"`     // memory of the table
	Keys      int     `json:"keys"`      // keys in the table, idle ones until their place is needed
	Added     uint64  `json:"added"`     // keys that came
	Reclaimed uint64  `json:"reclaimed"` // keys that went, as good as new
	Displaced uint64  `json:"displaced"` // keys that went with an excess, for want of room
	Delayed   uint64  `json:"delayed"`   // requests that this zone delayed
	Rejected  uint64  `json:"rejected"`  // requests that this zone rejected
}

// Snapshot returns the zone's state. Of a chain's zones, a delayed request counts in the one with the longest delay and a
// rejected one in the one that rejected it. Requests that pass at once are counted by whoever serves them.
func (z *Zone[K]) Snapshot() ZoneSnapshot { return z.leaky.snapshot() }

func (z *leaky) snapshot() ZoneSnapshot {
	s := ZoneSnapshot{
		Name:      z.name,
		Rate:      float64(z.rate) / 1000,
		Capacity:  len(z.slots) / 2,
		Bytes:     len(z.slots) * slotBytes,
		Keys:      int(z.used.Load()),
		Added:     z.added.Load(),
		Reclaimed: z.reclaimed.Load(),
		Displaced: z.displaced.Load(),
	}
	for i := range z.tallies {
		t := &z.tallies[i]
		s.Delayed += t.delayed.Load()
		s.Rejected += t.rejected.Load()
	}
	return s
}

// Collect gives the zone's metrics: name, 'c' for a counter or 'g' for a gauge, value, and labels as keys and values.
// All carry the label zone: mainstay_ratelimit_limited_total (also outcome: delayed, rejected), _keys, _capacity_keys,
// _keys_added_total, _keys_reclaimed_total and _keys_displaced_total.
func (z *Zone[K]) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	s := z.Snapshot()
	emit("mainstay_ratelimit_limited_total", 'c', float64(s.Delayed), "zone", s.Name, "outcome", "delayed")
	emit("mainstay_ratelimit_limited_total", 'c', float64(s.Rejected), "zone", s.Name, "outcome", "rejected")
	emit("mainstay_ratelimit_keys", 'g', float64(s.Keys), "zone", s.Name)
	emit("mainstay_ratelimit_capacity_keys", 'g', float64(s.Capacity), "zone", s.Name)
	emit("mainstay_ratelimit_keys_added_total", 'c', float64(s.Added), "zone", s.Name)
	emit("mainstay_ratelimit_keys_reclaimed_total", 'c', float64(s.Reclaimed), "zone", s.Name)
	emit("mainstay_ratelimit_keys_displaced_total", 'c', float64(s.Displaced), "zone", s.Name)
}

// ConnZoneSnapshot is the state of a [ConnZone].
type ConnZoneSnapshot struct {
	Name     string `json:"zone"`     // its name: WithName
	Limit    int    `json:"limit"`    // slots that a key can hold
	Capacity int    `json:"capacity"` // keys at a load of a half
	Bytes    int    `json:"bytes"`    // memory of the table and of the slots
	Keys     int    `json:"keys"`     // keys in the table, those without a slot until their place is needed
	Held     int64  `json:"held"`     // slots that are held now
	Acquired uint64 `json:"acquired"` // slots that were given
	Refused  uint64 `json:"refused"`  // refusals because the key held its limit
	Full     uint64 `json:"full"`     // refusals because there was no place for a new key
}

// Snapshot returns the zone's state.
func (z *ConnZone[K]) Snapshot() ConnZoneSnapshot { return z.conns.snapshot() }

func (z *conns) snapshot() ConnZoneSnapshot {
	s := ConnZoneSnapshot{
		Name:     z.name,
		Limit:    int(z.limit),
		Capacity: len(z.slots) / 2,
		Bytes:    len(z.slots)*slotBytes + z.tickets.bytes(),
		Keys:     int(z.used.Load()),
	}
	for i := range z.counts {
		c := &z.counts[i]
		released := c.released.Load() // before what is acquired later, so that Held is not below zero
		acquired := c.acquired.Load()
		s.Held += int64(acquired - released)
		s.Acquired += acquired
		s.Refused += c.refused.Load()
		s.Full += c.full.Load()
	}
	return s
}

// Collect gives the zone's metrics: name, 'c' for a counter or 'g' for a gauge, value, and labels as keys and values.
// All carry the label zone: mainstay_ratelimit_conns, _conns_acquired_total, _conns_refused_total (also cause:
// limit, full), _conn_keys and _conn_capacity_keys.
func (z *ConnZone[K]) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	s := z.Snapshot()
	emit("mainstay_ratelimit_conns", 'g', float64(s.Held), "zone", s.Name)
	emit("mainstay_ratelimit_conns_acquired_total", 'c', float64(s.Acquired), "zone", s.Name)
	emit("mainstay_ratelimit_conns_refused_total", 'c', float64(s.Refused), "zone", s.Name, "cause", "limit")
	emit("mainstay_ratelimit_conns_refused_total", 'c', float64(s.Full), "zone", s.Name, "cause", "full")
	emit("mainstay_ratelimit_conn_keys", 'g', float64(s.Keys), "zone", s.Name)
	emit("mainstay_ratelimit_conn_capacity_keys", 'g', float64(s.Capacity), "zone", s.Name)
}
