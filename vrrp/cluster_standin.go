package vrrp

// What the core's rebuild brings; this file goes when it is merged.

func (p AnnouncePlan) validate() error { return nil }

type cluster struct {
	members []*machine
	out     []action
}

func newCluster(members []*machine) *cluster { return &cluster{members: members} }

func (c *cluster) deadline() instant {
	at := never
	for _, m := range c.members {
		at = min(at, m.deadline())
	}
	return at
}

// step steps each machine for itself.
func (c *cluster) step(now instant, member int, ev event) []action {
	c.out = c.out[:0]
	for i, m := range c.members {
		if member == everybody || member == i {
			for _, a := range m.step(now, ev) {
				a.member = i
				c.out = append(c.out, a)
			}
		}
	}
	return c.out
}
