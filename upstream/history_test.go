package upstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// history plays one random history on a pool and on the model and compares
// every answer and the whole state after every step. Its choices come from a
// program of bytes, so that the fuzzer can write histories too.
type history struct {
	t     testing.TB
	bytes []byte

	pool  *Pool
	model *model
	now   int64 // milliseconds; may go back
	added int
	live  []*flight
	steps int
}

// flight is one request on both sides.
type flight struct {
	r     *Request
	lease Lease
	m     *modelRequest
}

var errDown = errors.New("told so")

func (h *history) byte() int {
	if len(h.bytes) == 0 {
		return 0
	}
	b := h.bytes[0]
	h.bytes = h.bytes[1:]
	return int(b)
}

// upTo returns a choice from 0 to n-1.
func (h *history) upTo(n int) int { return h.byte() % n }

func (h *history) start() {
	n := h.upTo(7)
	least := h.upTo(2) == 1
	bal := RoundRobin()
	if least {
		bal = LeastConn()
	}
	h.model = &model{leastConn: least, budget: h.upTo(2) == 1}
	opts := []Option{WithBalancer(bal)}
	if !h.model.budget {
		opts = append(opts, WithRetryBudget(1, 0))
	}
	p, err := New(opts...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.pool = p
	if h.upTo(2) == 1 {
		p.unit = slowUnit // as if a slow start were configured
	}
	for range n {
		h.add()
	}
}

func (h *history) add() {
	id := fmt.Sprintf("p%d", h.added)
	h.added++
	w, maxFails, timeout := 1+h.upTo(9), h.upTo(4), int64(h.upTo(5)*100)
	maxConns, backup, down := max(0, h.upTo(7)-3), h.upTo(4) == 0, h.upTo(10) == 0
	opts := []ServerOption{ID(id), Weight(w), MaxFails(maxFails), MaxConns(maxConns), FailTimeout(time.Duration(timeout) * time.Millisecond)}
	if backup {
		opts = append(opts, Backup())
	}
	if down {
		opts = append(opts, Down())
	}
	if err := h.pool.Add("192.0.2.1:80", opts...); err != nil {
		h.t.Fatal(err)
	}
	h.model.peers = append(h.model.peers, &modelPeer{
		id: id, weight: w, effective: w, maxFails: maxFails, timeout: timeout,
		maxConns: maxConns, backup: backup, down: down, unhealthy: map[string]bool{},
	})
	h.model.changed()
}

// any returns one of the peers, or nil.
func (h *history) any() *modelPeer {
	if len(h.model.peers) == 0 {
		return nil
	}
	return h.model.peers[h.upTo(len(h.model.peers))]
}

func (h *history) run() {
	h.start()
	for len(h.bytes) > 0 {
		h.steps++
		what := h.step()
		if got, want := h.pool.modelView(), h.model.String(); got != want {
			h.t.Fatalf("step %d, %s: state =\n%swant\n%s", h.steps, what, got, want)
		}
	}
	for len(h.live) > 0 {
		h.end(0, Success)
	}
	for _, b := range h.pool.Snapshot().Backends {
		if b.Active != 0 {
			h.t.Fatalf("%s has %d requests in flight after the last one ended", b.ID, b.Active)
		}
	}
	if n := h.pool.Snapshot().Leaving; n != 0 {
		h.t.Fatalf("removed backends have %d requests in flight after the last one ended", n)
	}
}

func (h *history) step() string {
	op := h.upTo(32)
	switch {
	case op < 9:
		f := &flight{r: new(Request), m: newModelRequest()}
		return h.pick(f, "new request")
	case op < 20 && len(h.live) > 0:
		return h.finish()
	case op < 26:
		return h.tick()
	}
	return h.change()
}

func (h *history) pick(f *flight, what string) string {
	lease, err := h.pool.TryPick(h.now*1e6, f.r)
	want := h.model.pick(f.m, h.now)
	var got string
	switch {
	case err == nil:
		got = lease.Backend().ID()
	case errors.Is(err, ErrBusy):
		got = "busy"
	case errors.Is(err, ErrNoPeer):
		got = "none"
	case errors.Is(err, ErrBudget):
		got = "budget"
	default:
		got = err.Error()
	}
	if got != want {
		h.t.Fatalf("step %d, %s at %d ms: TryPick() = %s, want %s\npool before the pick is lost; now\n%smodel\n%s",
			h.steps, what, h.now, got, want, h.pool.modelView(), h.model)
	}
	if f.r.Tries() != f.m.tries {
		h.t.Fatalf("step %d, %s: Tries() = %d, want %d", h.steps, what, f.r.Tries(), f.m.tries)
	}
	if err == nil {
		f.lease = lease
		h.live = append(h.live, f)
	}
	return what + " = " + got
}

// end ends live[i] and returns it.
func (h *history) end(i int, o Outcome) *flight {
	f := h.live[i]
	h.live = slices.Delete(h.live, i, i+1)
	if o == Failure || o == Pass {
		f.r.Dropped = h.upTo(4) == 0
		f.m.dropped = f.r.Dropped
	}
	f.lease.Done(h.now*1e6, o)
	h.model.done(f.m, h.now, o)
	if h.upTo(8) == 0 {
		f.lease.Done(h.now*1e6, Failure) // does nothing
	}
	if f.r.Tries() != f.m.tries {
		h.t.Fatalf("step %d, %v: Tries() = %d, want %d", h.steps, o, f.r.Tries(), f.m.tries)
	}
	return f
}

func (h *history) finish() string {
	o := []Outcome{Success, Success, Success, Failure, Failure, Failure, Free, Pass}[h.upTo(8)]
	f := h.end(h.upTo(len(h.live)), o)
	what := fmt.Sprintf("%v of %s", o, f.lease.Backend().ID())
	if o != Success && h.upTo(4) != 0 {
		return what + ", " + h.pick(f, "retry")
	}
	if h.upTo(2) == 0 { // as a pooled request is used
		f.r.Reset()
		f.m = newModelRequest()
		return what + ", " + h.pick(f, "reused request")
	}
	return what
}

func (h *history) tick() string {
	d := []int64{0, 1, 7, 99, 100, 101, 250, 1000, -1, -50, -1000}[h.upTo(11)]
	h.now += d
	return fmt.Sprintf("%d ms pass", d)
}

func (h *history) change() string {
	op := h.upTo(10)
	if op == 0 {
		if len(h.model.peers) < 10 {
			h.add()
		}
		return "add"
	}
	p := h.any()
	if p == nil {
		return "nothing"
	}
	must := func(err error) {
		if err != nil {
			h.t.Fatalf("step %d: change of %s: %v", h.steps, p.id, err)
		}
	}
	switch op {
	case 1:
		must(h.pool.Remove(p.id))
		h.model.peers = slices.DeleteFunc(h.model.peers, func(o *modelPeer) bool { return o == p })
		h.model.changed()
		return "remove " + p.id
	case 2, 3:
		w := 1 + h.upTo(12)
		must(h.pool.SetWeight(p.id, w))
		h.model.setWeight(p, w)
		return fmt.Sprintf("weight of %s = %d", p.id, w)
	case 4:
		p.drain = h.upTo(2) == 0
		must(h.pool.Drain(p.id, p.drain))
		return fmt.Sprintf("drain %s %v", p.id, p.drain)
	case 5, 6:
		source := []string{"http", "tcp"}[h.upTo(2)]
		p.unhealthy[source] = h.upTo(3) == 0
		must(h.pool.SetHealth(p.id, source, !p.unhealthy[source], errDown))
		return fmt.Sprintf("%s of %s down = %v", source, p.id, p.unhealthy[source])
	case 7:
		p.maxFails, p.maxConns, p.timeout = h.upTo(4), max(0, h.upTo(7)-3), int64(h.upTo(5)*100)
		must(h.pool.Update(p.id, MaxFails(p.maxFails), MaxConns(p.maxConns), FailTimeout(time.Duration(p.timeout)*time.Millisecond)))
		h.model.changed()
		return fmt.Sprintf("limits of %s", p.id)
	case 8:
		p.backup, p.down = h.upTo(3) == 0, h.upTo(6) == 0
		opts := []ServerOption{Primary(), Up()}
		if p.backup {
			opts[0] = Backup()
		}
		if p.down {
			opts[1] = Down()
		}
		must(h.pool.Update(p.id, opts...))
		h.model.changed()
		return fmt.Sprintf("%s backup = %v down = %v", p.id, p.backup, p.down)
	}
	h.added++
	must(h.pool.Update(p.id, Address(fmt.Sprintf("192.0.2.2:%d", h.added%60000+1))))
	h.model.peers[slices.Index(h.model.peers, p)] = &modelPeer{
		id: p.id, weight: p.weight, effective: p.weight, maxFails: p.maxFails, timeout: p.timeout,
		maxConns: p.maxConns, backup: p.backup, down: p.down, drain: p.drain, unhealthy: map[string]bool{},
	}
	h.model.changed()
	return "move " + p.id
}

// TestHistory compares the pool with the model over 200,000 random steps.
func TestHistory(t *testing.T) {
	want, length := 200_000, 600
	if testing.Short() {
		want = 20_000
	}
	steps := 0
	for seed := uint64(0); steps < want; seed++ {
		h := &history{t: t, bytes: program(seed, length)}
		h.run()
		steps += h.steps
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// program returns a random program of n bytes.
func program(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b
}

func FuzzHistory(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(program(seed, 200))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		(&history{t: t, bytes: b}).run()
	})
}
