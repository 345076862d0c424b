package lab

import (
	"fmt"
	"strings"
)

// VRRPd starts this module's examples/vrrpd.
type VRRPd struct {
	Path string   // of the program; see [Build]
	Args []string // further ones, for all routers
}

// Start starts one vrrpd for all routers.
func (v VRRPd) Start(h *Host, routers ...Router) *Speaker {
	h.lab.t.Helper()
	s := v.Launch(h, routers...)
	for range s.Routers {
		s.main.WaitLine(` from=initialize `)
	}
	return s
}

// Launch is Start without waiting for the first transition, for one that may
// fail.
func (v VRRPd) Launch(h *Host, routers ...Router) *Speaker {
	h.lab.t.Helper()
	s := &Speaker{Host: h}
	args := append([]string(nil), v.Args...)
	for _, r := range routers {
		r = r.Defaults()
		s.Routers = append(s.Routers, r)
		if len(routers) == 1 {
			for _, pair := range r.pairs() {
				args = append(args, "-"+pair)
			}
			continue
		}
		args = append(args, "-instance", `"`+strings.Join(r.pairs(), `","`)+`"`)
	}
	s.main = h.Start(v.Path, args...)
	return s
}

// pairs are the flags of examples/vrrpd for r, without their hyphens.
func (r Router) pairs() []string {
	out := []string{
		"interface=" + r.Interface(), fmt.Sprint("vrid=", r.VRID), fmt.Sprint("version=", r.Version),
		fmt.Sprint("priority=", r.Priority), fmt.Sprint("interval=", r.Interval),
	}
	for _, v := range r.VIPs {
		out = append(out, fmt.Sprint("vip=", v))
	}
	if r.NoPreempt {
		out = append(out, "preempt=false")
	}
	if r.Delay > 0 {
		out = append(out, fmt.Sprint("preempt-delay=", r.Delay))
	}
	if r.Password != "" {
		out = append(out, "password="+r.Password)
	}
	for _, p := range r.Peers {
		if r.MinTTL > 0 {
			out = append(out, fmt.Sprintf(`unicast-peer=%v,min_ttl=%d`, p, r.MinTTL))
			continue
		}
		out = append(out, fmt.Sprint("unicast-peer=", p))
	}
	if len(r.Peers) > 0 {
		out = append(out, fmt.Sprint("unicast-src=", r.Source))
	}
	if r.VMAC {
		out = append(out, "vmac=true")
	}
	if r.Group != "" {
		out = append(out, "group="+r.Group)
	}
	return out
}
