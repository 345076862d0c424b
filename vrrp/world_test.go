package vrrp

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// world runs machines on a network, in virtual time and without goroutines.
// Everything it does follows from its seed and from the calls made.
type world struct {
	now   instant
	rand  *rand.Rand
	nodes []*node
	wire  wire
	seq   int

	least, most              time.Duration // delay of one packet
	installing               time.Duration // how long an Install takes
	loss, duplicate, reorder float64
	cut                      map[[2]int]bool // [from, to]: nothing arrives

	steps int
	trace func(n *node, line string) // nil: nobody looks
	check func()                     // after every step, nil: nothing
}

// node is a machine in a world.
type node struct {
	*machine
	name    string
	index   int
	running bool
	holds   bool    // between install and remove
	ready   instant // the Install ends; never: it has, or there is none
	told    bool    // the machine knows of that
	spoke   int     // w.steps when it announced last
	due     map[int]instant
	problem string // a broken promise of the machine

	stopped bool    // it does not run for a while
	asleep  bool    // nor does its host: nothing is received
	queue   []event // received while stopped
	since   instant // of the stop
}

func newWorld(seed uint64) *world {
	return &world{rand: rand.New(rand.NewPCG(seed, 0)), cut: map[[2]int]bool{}, now: t0}
}

func (w *world) add(name string, addr netip.AddrPort, set settings) *node {
	n := &node{name: name, index: len(w.nodes), machine: newMachine(set, addr), ready: never, due: map[int]instant{}}
	w.nodes = append(w.nodes, n)
	return n
}

// start starts a node anew, as a process does.
func (w *world) start(n *node) {
	n.machine = newMachine(n.set, n.self)
	n.running = true
	w.step(n, event{kind: evStart})
}

// kill ends a node without a word; its address manager forgets with it.
func (w *world) kill(n *node) {
	n.running, n.holds, n.told, n.ready = false, false, false, never
	n.stopped, n.asleep, n.queue = false, false, nil
	n.machine = newMachine(n.set, n.self)
}

// stop holds a node up: its process, which finds what was received when it goes
// on, or its host, which has received nothing.
func (w *world) stop(n *node, host bool) {
	if n.running && !n.stopped {
		n.stopped, n.asleep, n.since = true, host, w.now
	}
}

// cont lets a node go on, as a driver does: what was received comes first, and
// then the news of how late it is.
func (w *world) cont(n *node) {
	if !n.stopped {
		return
	}
	n.stopped = false
	for _, ev := range n.queue {
		w.step(n, ev)
	}
	n.queue = nil
	late := time.Duration(max(0, w.now-n.deadline()))
	if n.asleep {
		late = time.Duration(w.now - n.since)
	}
	if late > n.down() {
		w.step(n, event{kind: evStalled, late: late})
	}
	w.tick(n)
}

// wakes is when a node has something to do by itself.
func (n *node) wakes() instant {
	if !n.running || n.stopped {
		return never
	}
	return min(n.deadline(), n.ready)
}

// tick steps what is due.
func (w *world) tick(n *node) {
	if n.ready <= w.now {
		n.ready, n.told = never, true
		w.step(n, event{kind: evInstalled})
	}
	if n.deadline() <= w.now {
		w.step(n, event{kind: evTick})
	}
}

// step steps one machine, and holds it to what every driver relies on.
func (w *world) step(n *node, ev event) {
	switch {
	case !n.running:
		return
	case n.stopped && n.asleep && ev.kind == evAdvert:
		return
	case n.stopped:
		n.queue = append(n.queue, ev)
		return
	}
	w.steps++
	was, rounds, resigned := n.state, 0, n.yielding
	for _, a := range n.machine.step(w.now, ev) {
		switch a.kind {
		case actSend:
			n.expect(!resigned, "sends %d after it has resigned", a.priority)
			n.expect(ev.kind != evFault || ev.fault&unsendable == 0, "sends %d, which nobody can hear", a.priority)
			w.send(n, a.priority)
			resigned = a.priority == 0
		case actInstall:
			n.expect(!n.holds, "installs twice")
			n.holds, n.ready = true, after(w.now, w.installing)
		case actRemove:
			n.expect(n.holds, "removes what it does not hold")
			n.holds, n.told, n.ready = false, false, never
		case actAnnounce:
			n.expect(n.holds && n.told && was == Active && !resigned, "announces in %v, held %v, known %v, resigned %v", was, n.holds, n.told, resigned)
			n.spoke = w.steps
			rounds++
		case actTransition:
			n.expect(a.from == was && a.to != was, "transition %v>%v in %v", a.from, a.to, was)
			was = a.to
			w.say(n, "%v > %v (%v)", a.from, a.to, a.reason)
		case actWarn:
			w.say(n, "warning: %s", warningTexts[a.warning])
		}
		if a.kind == actInstall || a.kind == actRemove {
			w.say(n, "%s", map[actionKind]string{actInstall: "install", actRemove: "remove"}[a.kind])
		}
	}
	if rounds > 0 {
		w.say(n, "announce %d", rounds)
	}
	n.expect(n.state == was, "state %v without a transition", n.state)
	n.expect(n.holds == (n.state == Active), "holds = %v in %v", n.holds, n.state)
	n.expect(n.deadline() != never || n.state == Initialize || n.state == Fault, "no deadline in %v", n.state)
	n.expect(n.state == Active && !n.yielding || n.news == stopped(), "is to announce in %v", n.state)
	n.expect(n.state != Active || n.yielding || n.timer <= after(w.now, max(n.set.interval, n.pace)), "is silent for %v", time.Duration(n.timer-w.now))
	if w.check != nil {
		w.check()
	}
	if n.ready <= w.now && !n.stopped {
		w.tick(n) // an Install that takes no time
	}
}

func (n *node) expect(ok bool, format string, args ...any) {
	if !ok && n.problem == "" {
		n.problem = n.name + ": " + fmt.Sprintf(format, args...)
	}
}

func (w *world) say(n *node, format string, args ...any) {
	if w.trace != nil {
		w.trace(n, fmt.Sprintf(format, args...))
	}
}

// send multicasts.
func (w *world) send(from *node, priority uint8) {
	w.say(from, "advert %d", priority)
	for _, to := range w.nodes {
		if to == from || w.cut[[2]int{from.index, to.index}] || w.chance(w.loss) {
			continue
		}
		copies := 1
		if w.chance(w.duplicate) {
			copies = 2
		}
		for range copies {
			at := after(w.now, w.delay())
			if !w.chance(w.reorder) {
				at = max(at, to.due[from.index])
				to.due[from.index] = at
			}
			w.seq++
			heap.Push(&w.wire, packet{at, w.seq, to, event{
				kind: evAdvert, priority: priority, from: from.self, interval: from.set.interval,
			}})
		}
	}
}

func (w *world) chance(p float64) bool { return p > 0 && w.rand.Float64() < p }

func (w *world) delay() time.Duration {
	if w.most <= w.least {
		return w.least
	}
	return w.least + time.Duration(w.rand.Int64N(int64(w.most-w.least)))
}

// run lets d pass. Packets come before deadlines of the same moment.
func (w *world) run(d time.Duration) {
	end := after(w.now, d)
	for {
		next, who := never, (*node)(nil)
		for _, n := range w.nodes {
			if at := n.wakes(); at < next {
				next, who = at, n
			}
		}
		if len(w.wire) > 0 && w.wire[0].at <= next {
			if w.wire[0].at > end {
				break
			}
			p := heap.Pop(&w.wire).(packet)
			w.now = max(w.now, p.at)
			w.step(p.to, p.ev)
			continue
		}
		if next > end {
			break
		}
		w.now = max(w.now, next)
		w.tick(who)
	}
	w.now = end
}

// active returns the nodes that are Active.
func (w *world) active() (nodes []*node) {
	for _, n := range w.nodes {
		if n.running && n.state == Active {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// problems returns the broken promises of all machines.
func (w *world) problems() string {
	var out []string
	for _, n := range w.nodes {
		if n.problem != "" {
			out = append(out, n.problem)
		}
	}
	return strings.Join(out, "; ")
}

type packet struct {
	at  instant
	seq int
	to  *node
	ev  event
}

type wire []packet

func (w wire) Len() int { return len(w) }
func (w wire) Less(i, j int) bool {
	return w[i].at < w[j].at || w[i].at == w[j].at && w[i].seq < w[j].seq
}
func (w wire) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *wire) Push(x any)   { *w = append(*w, x.(packet)) }
func (w *wire) Pop() any {
	old := *w
	x := old[len(old)-1]
	*w = old[:len(old)-1]
	return x
}
