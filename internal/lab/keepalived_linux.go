package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Keepalived starts keepalived, VRRP alone.
type Keepalived struct {
	Global   []string // lines of global_defs
	Instance []string // lines of every vrrp_instance
	XmitBase bool     // vmac_xmit_base, with use_vmac
	Quiet    bool     // log transitions only, for measurements
}

// Start starts one keepalived for all routers.
func (k Keepalived) Start(h *Host, routers ...Router) *Speaker {
	h.lab.t.Helper()
	s := &Speaker{Host: h}
	for _, r := range routers {
		s.Routers = append(s.Routers, r.Defaults())
		if r.VMAC {
			h.hush(r.Defaults())
		}
	}
	dir := h.lab.t.TempDir()
	conf := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(conf, []byte(k.config(s.Routers)), 0o600); err != nil {
		h.lab.t.Fatalf("lab: %v", err)
	}
	args := []string{"-P", "-n", "-l", "-f", conf, "-p", filepath.Join(dir, "pid"), "-r", filepath.Join(dir, "vrrp.pid")}
	if !k.Quiet {
		args = append(args, "-D")
	}
	s.main = h.Start("keepalived", args...)
	pid, err := strconv.Atoi(s.main.WaitLine(`Starting VRRP child process, pid=(\d+)`)[1])
	if err != nil {
		h.lab.t.Fatalf("lab: keepalived: %v", err)
	}
	s.main.child = pid
	s.main.WaitLine(`Entering BACKUP STATE|Entering MASTER STATE|Entering FAULT STATE`)
	return s
}

// config is the text of the configuration file.
func (k Keepalived) config(routers []Router) string {
	b := &strings.Builder{}
	p := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	p("global_defs {\n  vrrp_garp_master_refresh 0")
	for _, line := range k.Global {
		p("  %s", line)
	}
	p("}")
	groups := map[string][]string{}
	var order []string
	for _, r := range routers {
		if r.Group != "" {
			if groups[r.Group] == nil {
				order = append(order, r.Group)
			}
			groups[r.Group] = append(groups[r.Group], r.Name())
		}
	}
	for _, g := range order {
		p("vrrp_sync_group %s {\n  group {\n    %s\n  }\n}", g, strings.Join(groups[g], "\n    "))
	}
	for _, r := range routers {
		p("vrrp_instance %s {", r.Name())
		p("  version %d\n  state BACKUP\n  interface %s\n  virtual_router_id %d", r.Version, r.Interface(), r.VRID)
		p("  priority %d\n  advert_int %v", r.Priority, r.Interval.Seconds())
		if r.NoPreempt {
			p("  nopreempt")
		}
		if r.Delay > 0 {
			p("  preempt_delay %v", r.Delay.Seconds())
		}
		if r.VMAC {
			p("  use_vmac vrrp%d.%d", r.Family(), r.VRID)
			if k.XmitBase {
				p("  vmac_xmit_base")
			}
		}
		if r.Password != "" {
			p("  authentication {\n    auth_type PASS\n    auth_pass %s\n  }", r.Password)
		}
		if len(r.Peers) > 0 {
			p("  unicast_src_ip %v\n  unicast_peer {", r.Source)
			for _, a := range r.Peers {
				p("    %v", a)
			}
			p("  }")
		}
		p("  virtual_ipaddress {")
		for _, v := range r.VIPs {
			p("    %v", v)
		}
		p("  }")
		for _, line := range k.Instance {
			p("  %s", line)
		}
		p("}")
	}
	return b.String()
}
