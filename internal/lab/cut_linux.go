package lab

import (
	"fmt"
	"slices"
	"strings"
)

// Way is a direction of traffic, seen from a host.
type Way uint8

const (
	In Way = 1 << iota
	Out
	Both = In | Out
)

// Cut makes the bridge drop the host's frames silently, or only those from and
// to the given peers. Nobody loses carrier.
func (h *Host) Cut(way Way, peers ...*Host) {
	h.lab.t.Helper()
	h.fence(way, "drop", peers)
}

// Loss makes the bridge drop that percentage of the host's frames, each way.
func (h *Host) Loss(percent int) {
	h.lab.t.Helper()
	verdict := "drop"
	if percent < 100 {
		verdict = fmt.Sprintf("numgen random mod 100 lt %d drop", percent)
	}
	h.fence(Both, verdict, nil)
}

// Heal ends Cut and Loss.
func (h *Host) Heal() {
	h.lab.t.Helper()
	if h.lab.fenced {
		h.lab.nft(fmt.Sprintf("flush chain bridge lab h%d\n", h.N))
	}
}

// Unplug takes the bridge's end of the cable down: the host loses carrier.
func (h *Host) Unplug(lans ...int) { h.lab.t.Helper(); h.plug("down", lans) }

// Plug ends Unplug.
func (h *Host) Plug(lans ...int) { h.lab.t.Helper(); h.plug("up", lans) }

// plug sets ports up or down, all of them by default.
func (h *Host) plug(how string, lans []int) {
	h.lab.t.Helper()
	batch := &strings.Builder{}
	for lan := range h.lab.config.LANs {
		if len(lans) == 0 || slices.Contains(lans, lan) {
			fmt.Fprintf(batch, "link set %s %s\n", h.port(lan), how)
		}
	}
	h.lab.ip(h.lab.sw, batch.String())
}

// Recreate makes an interface that was deleted, with the same name and addresses.
func (h *Host) Recreate(lan int) {
	h.lab.t.Helper()
	h.lab.ip(h.lab.sw, h.cable(lan, 3), h.ns.file)
	h.lab.capture.ports()
	h.IP("%s", h.addressing(lan))
}

// fence adds rules for the host. Peers are told by their ports.
func (h *Host) fence(way Way, verdict string, peers []*Host) {
	h.lab.t.Helper()
	h.lab.enclose()
	batch := &strings.Builder{}
	add := func(match string) { fmt.Fprintf(batch, "add rule bridge lab h%d %s %s\n", h.N, match, verdict) }
	for lan := range h.lab.config.LANs {
		from, to := fmt.Sprintf("iifname %q", h.port(lan)), fmt.Sprintf("oifname %q", h.port(lan))
		var others []string
		for _, p := range peers {
			others = append(others, fmt.Sprintf("%q", p.port(lan)))
		}
		if len(others) > 0 {
			set := "{ " + strings.Join(others, ", ") + " }"
			from, to = from+" oifname "+set, to+" iifname "+set
		}
		if way&Out != 0 {
			add(from)
		}
		if way&In != 0 {
			add(to)
		}
	}
	h.lab.nft(batch.String())
}

// enclose makes the table, with a chain for each host.
func (l *Lab) enclose() {
	l.t.Helper()
	if l.fenced {
		return
	}
	batch := &strings.Builder{}
	batch.WriteString("table bridge lab {\n")
	for _, h := range l.hosts {
		fmt.Fprintf(batch, "chain h%d { }\n", h.N)
	}
	batch.WriteString("chain forward { type filter hook forward priority 0; policy accept;\n")
	for _, h := range l.hosts {
		fmt.Fprintf(batch, "jump h%d\n", h.N)
	}
	batch.WriteString("}\n}\n")
	l.nft(batch.String())
	l.fenced = true
}

func (l *Lab) nft(batch string) {
	l.t.Helper()
	if out, err := run(l.t.Context(), l.sw, batch, nil, "nft", "-f", "-"); err != nil {
		l.t.Fatalf("lab: nft: %v\n%s%s", err, out, batch)
	}
}
