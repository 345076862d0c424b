package mainstay

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
)

const keepalivedPage = "docs/coming-from-keepalived.md"

// keepalivedKeywords are the words of a keepalived configuration that have to do
// with VRRP, block by block.
var keepalivedKeywords = []struct{ block, words string }{
	{"vrrp_instance", `state interface vrf virtual_router_id priority advert_int version native_ipv6 virtual_ipaddress brd dev use_vmac scope label peer
		home -nodad mngtmpaddr noprefixroute autojoin no_track preferred_lft virtual_ipaddress_excluded no_virtual_ipaddress virtual_routes virtual_rules
		promote_secondaries unicast_peer min_ttl max_ttl unicast_src_ip mcast_src_ip unicast_ttl check_unicast_src unicast_fault_no_peer old_unicast_checksum
		v3_checksum_as_v2 mcast_dst_ip track_src_ip use_vmac_addr vmac_xmit_base use_ipvlan accept no_accept preempt nopreempt preempt_delay
		down_timer_adverts garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat
		garp_extra_if lower_prio_no_advert higher_prio_send_advert owner_ignore_adverts skip_check_adv_addr strict_mode authentication auth_type auth_pass
		PASS AH auth_hmac key active_key anti_replay time_window mode dont_track_primary track_interface track_script track_file track_process track_bfd
		notify_master notify_backup notify_fault notify_stop notify_deleted notify notify_master_rx_lower_pri notify_priority_changes smtp_alert
		timer_expired_backup kernel_rx_buf_size debug linkbeat_use_polling lvs_sync_daemon_interface`},
	{"vrrp_sync_group", `group sync_group_tracking_weight track_interface track_script track_file track_process track_bfd notify_master notify
		notify_priority_changes smtp_alert global_tracking`},
	{"objects", `vrrp_script script interval timeout weight reverse rise fall init_fail user vrrp_track_process process param_match full_command quorum
		quorum_max fork_delay terminate_delay delay vrrp_track_file file init_file overwrite bfd_instance neighbor_ip source_ip min_rx min_tx idle_tx
		multiplier passive ttl hoplimit max_hops multihop garp_group interface garp_interval gna_interval track_group static_ipaddress static_routes
		static_rules linkbeat_interfaces interface_up_down_delays`},
	{"global_defs", `router_id notification_email notification_email_from smtp_server smtp_helo_name smtp_connect_timeout smtp_alert_vrrp no_email_faults
		vrrp_mcast_group4 vrrp_mcast_group6 vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat
		vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat vrrp_garp_interval vrrp_gna_interval vrrp_min_garp vrrp_garp_extra_if vrrp_version vrrp_strict
		vrrp_check_unicast_src vrrp_skip_check_adv_addr v3_checksum_as_v2 vrrp_down_timer_adverts vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert
		vrrp_owner_ignore_adverts vrrp_notify_priority_changes vrrp_startup_delay vrrp_delay_after_boot script_user enable_script_security use_symlink_paths
		set_supplementary_groups notify_fifo notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script fifo_write_vrrp_states_on_reload vrrp_rt_priority
		vrrp_priority vrrp_no_swap vrrp_cpu_affinity vrrp_rlimit_rttime max_auto_priority min_auto_priority_delay vrrp_netlink_cmd_rcv_bufs
		vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs vrrp_netlink_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier
		process_monitor_rcv_bufs process_monitor_rcv_bufs_force dynamic_interfaces allow_if_changes nftables vrrp_iptables vrrp_ipsets disable_local_igmp
		vmac_prefix vmac_addr_prefix log_unknown_vrids enable_snmp_vrrp enable_snmp_keepalived enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3
		enable_traps enable_dbus json_version state_dump_file stats_dump_file json_dump_file reload_time_file reload_file reload_check_config startup_script
		shutdown_script process_names net_namespace instance`},
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// keepalivedSection is a part of the page with the rows of its table.
type keepalivedSection struct {
	title, text string
	rows        [][2]string
}

// keepalivedSections cuts the page at its headings.
func keepalivedSections(t *testing.T) []keepalivedSection {
	t.Helper()
	page, err := os.ReadFile(keepalivedPage)
	if err != nil {
		t.Fatal(err)
	}
	var out []keepalivedSection
	for i, part := range strings.Split(string(page), "\n## ") {
		title, text, _ := strings.Cut(part, "\n")
		if i == 0 {
			title = "" // of the page
		}
		s := keepalivedSection{title: title, text: text}
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| keep") || strings.HasPrefix(line, "| keyword") {
				continue
			}
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if len(cells) != 2 {
				t.Fatalf("%s: %d cells, want 2: %s", title, len(cells), line)
			}
			s.rows = append(s.rows, [2]string{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])})
		}
		out = append(out, s)
	}
	return out
}

// TestKeepalivedKeywords fails where the page says nothing about a keyword.
func TestKeepalivedKeywords(t *testing.T) {
	sections := keepalivedSections(t)
	tables := map[string]string{"vrrp_instance": "vrrp_instance", "vrrp_sync_group": "vrrp_sync_group", "objects": "vrrp_script", "global_defs": "global_defs"}
	for _, k := range keepalivedKeywords {
		found := make(map[string]bool)
		for _, s := range sections {
			if !strings.HasPrefix(s.title, tables[k.block]) {
				continue
			}
			for _, r := range s.rows {
				for _, span := range codeSpan.FindAllStringSubmatch(r[0], -1) {
					for _, word := range strings.Fields(span[1]) {
						found[word] = true
					}
				}
				if r[1] == "" {
					t.Errorf("%s: %s has no answer", k.block, r[0])
				}
			}
		}
		for _, word := range strings.Fields(k.words) {
			if !found[word] {
				t.Errorf("%s: nothing about %s", k.block, word)
			}
		}
	}
}

// TestKeepalivedNames fails where the page names something in Go that does not exist.
func TestKeepalivedNames(t *testing.T) {
	vrrp, health := exportedNames(t, "vrrp"), exportedNames(t, "healthcheck")
	name := regexp.MustCompile(`(?:\b([A-Za-z]\w*)\.)?\b([A-Z]\w*[a-z]\w*)([=:]?)`)
	for _, s := range keepalivedSections(t) {
		text := regexp.MustCompile("(?s)```.*?```").ReplaceAllStringFunc(s.text, func(block string) string {
			for _, m := range regexp.MustCompile(`vrrp\.([A-Z]\w*)`).FindAllStringSubmatch(block, -1) {
				if !vrrp.top[m[1]] {
					t.Errorf("%s: there is no vrrp.%s", s.title, m[1])
				}
			}
			return ""
		})
		if strings.HasPrefix(s.title, "Log lines") {
			text = "" // the left column is keepalived's
			for _, r := range s.rows {
				text += r[1] + "\n"
			}
		}
		for _, span := range codeSpan.FindAllStringSubmatch(text, -1) {
			for _, m := range name.FindAllStringSubmatch(span[1], -1) {
				qualifier, id := m[1], m[2]
				var ok bool
				switch {
				case m[3] == "=" || qualifier == "netip" || qualifier == "context":
					ok = true // systemd's, and the standard library's
				case m[3] == ":": // a field of a literal
					ok = vrrp.member[id]
				case qualifier == "":
					ok = vrrp.top[id]
				case qualifier == "vrrp":
					ok = vrrp.top[id]
				case qualifier == "healthcheck":
					ok = health.top[id]
				case token.IsExported(qualifier):
					ok = vrrp.of[qualifier+"."+id]
				default: // a variable
					ok = vrrp.member[id] || strings.Contains(span[1], "healthcheck.") && health.member[id]
				}
				if !ok {
					t.Errorf("%s: `%s`: there is no %s", s.title, span[1], strings.TrimPrefix(qualifier+"."+id, "."))
				}
			}
		}
	}
}

// exported are the names that a package has for its users.
type exported struct {
	top    map[string]bool // functions, types, variables and constants
	of     map[string]bool // "Type.Member": methods and fields
	member map[string]bool // the second half of that
	words  map[string]bool // string literals, and keys of JSON documents
}

// exportedNames reads a package, the files of every system.
func exportedNames(t *testing.T, dir string) exported {
	t.Helper()
	n := exported{make(map[string]bool), make(map[string]bool), make(map[string]bool), make(map[string]bool)}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			n.add(d)
		}
		ast.Inspect(f, func(x ast.Node) bool {
			if l, ok := x.(*ast.BasicLit); ok && l.Kind == token.STRING {
				s, _ := strconv.Unquote(l.Value)
				n.words[s] = true
				key, _, _ := strings.Cut(reflect.StructTag(s).Get("json"), ",")
				n.words[key] = true
			}
			return true
		})
	}
	return n
}

func (n *exported) add(d ast.Decl) {
	members := func(typ string, fields *ast.FieldList) {
		for _, f := range fields.List {
			for _, name := range f.Names {
				n.of[typ+"."+name.Name], n.member[name.Name] = true, true
			}
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			n.top[d.Name.Name] = true
			return
		}
		typ := d.Recv.List[0].Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		if id, ok := typ.(*ast.Ident); ok {
			n.of[id.Name+"."+d.Name.Name], n.member[d.Name.Name] = true, true
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					n.top[name.Name] = true
				}
			case *ast.TypeSpec:
				n.top[s.Name.Name] = true
				switch typ := s.Type.(type) {
				case *ast.StructType:
					members(s.Name.Name, typ.Fields)
				case *ast.InterfaceType:
					members(s.Name.Name, typ.Methods)
				}
			}
		}
	}
}

// TestKeepalivedEvents fails where the table of log lines names a log text, a
// counter, a reason or a fault that package vrrp does not have.
func TestKeepalivedEvents(t *testing.T) {
	vrrp := exportedNames(t, "vrrp")
	quoted, plain := regexp.MustCompile(`"([^"]+)"`), regexp.MustCompile(`^[a-z][a-z-]*$`)
	for _, s := range keepalivedSections(t) {
		if !strings.HasPrefix(s.title, "Log lines") {
			continue
		}
		if len(s.rows) < 30 {
			t.Errorf("%d log lines", len(s.rows))
		}
		for _, r := range s.rows {
			var words []string
			for _, m := range quoted.FindAllStringSubmatch(r[1], -1) {
				words = append(words, m[1])
			}
			for _, m := range codeSpan.FindAllStringSubmatch(r[1], -1) {
				if plain.MatchString(m[1]) {
					words = append(words, m[1])
				}
			}
			for _, w := range words {
				if !vrrp.words[w] {
					t.Errorf("%s: package vrrp says no %q", r[0], w)
				}
			}
		}
	}
}

// TestKeepalivedLogLines fails where the table names a line that keepalived does
// not write.
func TestKeepalivedLogLines(t *testing.T) {
	need.Program(t, "keepalived")
	path, err := exec.LookPath("keepalived")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const version = "2.2.7" // others may say it otherwise
	if !bytes.Contains(program, []byte(version)) {
		t.Skipf("%s is not keepalived %s", path, version)
	}
	type format struct {
		text    string
		pattern *regexp.Regexp // of the lines that it makes
	}
	var formats []format
	verb, varies := regexp.MustCompile(`%[-+ #0]*[0-9]*(\.[0-9]+)?(hh|h|ll|l|z)?[a-zA-Z]`), regexp.MustCompile(`VI_1|G1|eth0|chk|…`)
	literal := regexp.MustCompile(`[a-z]{3}`)
	for _, b := range regexp.MustCompile(`[ -~]{8,}`).FindAll(program, -1) {
		f := string(b)
		if !literal.MatchString(verb.ReplaceAllString(f, "")) {
			continue // "(%s) %s%s" makes every line
		}
		formats = append(formats, format{f, regexp.MustCompile("^" + gaps(f, verb) + "$")})
	}
	for _, s := range keepalivedSections(t) {
		if !strings.HasPrefix(s.title, "Log lines") {
			continue
		}
		for _, r := range s.rows {
			for _, m := range codeSpan.FindAllStringSubmatch(r[0], -1) {
				line := regexp.MustCompile("^" + gaps(m[1], varies) + "$")
				if !slices.ContainsFunc(formats, func(f format) bool { return f.pattern.MatchString(m[1]) || line.MatchString(f.text) }) {
					t.Errorf("keepalived does not write %q", m[1])
				}
			}
		}
	}
}

// gaps makes a pattern of a text in which everything that gap matches may be
// anything.
func gaps(text string, gap *regexp.Regexp) string {
	parts := gap.Split(text, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return strings.Join(parts, ".*")
}
