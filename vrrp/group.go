package vrrp

// Group is a sync group.
type Group struct{ title string }

// Name returns the name.
func (g *Group) Name() string {
	if g == nil {
		return ""
	}
	return g.title
}
