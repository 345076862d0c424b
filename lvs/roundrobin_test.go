package lvs_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
	"github.com/mainstay-ha/mainstay/lvs"
)

func dest(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
}

// pick returns the ID of the destination picked, or "-" as the kernel's traces have it.
func pick(s *lvs.Service, except ...*lvs.Dest) string {
	d, err := s.Pick(lvs.Flow{Virtual: vip}, except...)
	if err != nil {
		return "-"
	}
	return d.ID()
}

// TestRoundRobinKernel replays what was recorded of the kernel.
func TestRoundRobinKernel(t *testing.T) {
	file, err := os.ReadFile("testdata/ipvs-rr.txt")
	if err != nil {
		t.Fatal(err)
	}
	var s *lvs.Service
	var name string
	picks := 0
	for n, line := range strings.Split(string(file), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		arg := func(i int) int {
			v, err := strconv.Atoi(f[i])
			if err != nil {
				t.Fatalf("line %d: %v", n+1, err)
			}
			return v
		}
		switch f[0] {
		case "trace":
			name, s = f[1], pool(t, 0)
		case "add":
			err = s.Add(dest(int(f[1][1])), lvs.ID(f[1]), lvs.Weight(arg(2)))
		case "weight":
			err = s.SetWeight(f[1], arg(2))
		case "remove":
			err = s.Remove(f[1])
		case "pick":
			var got strings.Builder
			for range f[1] {
				id := pick(s)
				got.WriteByte(id[len(id)-1])
			}
			if got.String() != f[1] {
				t.Errorf("%s, line %d: picked %s, the kernel %s", name, n+1, &got, f[1])
			}
			picks += len(f[1])
		default:
			t.Fatalf("line %d: %q", n+1, line)
		}
		if err != nil {
			t.Fatalf("line %d: %v", n+1, err)
		}
	}
	if picks != 180 {
		t.Errorf("%d picks compared, want 180", picks)
	}
}

// naive is rr as it would be explained to a child: a row of names, newest first, and the name that had its turn last.
type naive struct {
	row    []string
	turn   string // "" is the head of the row
	weight map[string]int
	out    map[string]map[string]bool // name, then what keeps it out
}

func (m *naive) add(id string, w int) {
	m.row = append([]string{id}, m.row...)
	m.weight[id], m.out[id] = w, make(map[string]bool)
}

func (m *naive) remove(id string) {
	at := slices.Index(m.row, id)
	if m.turn == id {
		m.turn = ""
		if at > 0 {
			m.turn = m.row[at-1]
		}
	}
	m.row = append(m.row[:at:at], m.row[at+1:]...)
	delete(m.weight, id)
	delete(m.out, id)
}

func (m *naive) eligible(id string) bool { return m.weight[id] > 0 && len(m.out[id]) == 0 }

func (m *naive) pick() string {
	at := slices.Index(m.row, m.turn) + 1
	for _, id := range append(slices.Clone(m.row[at:]), m.row[:at]...) {
		if m.eligible(id) {
			m.turn = id
			return id
		}
	}
	return "-"
}

// TestRoundRobinModel compares with the naive model under random histories, 100,000 steps in all.
func TestRoundRobinModel(t *testing.T) {
	const histories, steps = 100, 1000
	for seed := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s, m, next := pool(t, 0), &naive{weight: map[string]int{}, out: map[string]map[string]bool{}}, 0
		for step := range steps {
			what := rng.IntN(100)
			id := ""
			if len(m.row) > 0 {
				id = m.row[rng.IntN(len(m.row))]
				if m.turn != "" && rng.IntN(3) == 0 {
					id = m.turn // the interesting one
				}
			}
			var err error
			switch {
			case id == "" || what < 5 && len(m.row) < 12:
				w := rng.IntN(3)
				name := fmt.Sprint(next)
				err = s.Add(dest(next), lvs.ID(name), lvs.Weight(w))
				m.add(name, w)
				next++
			case what < 10:
				err = s.Remove(id)
				m.remove(id)
			case what < 16:
				w := rng.IntN(3)
				err = s.SetWeight(id, w)
				m.weight[id] = w
			case what < 28:
				source := fmt.Sprint("source", rng.IntN(2))
				up := rng.IntN(3) > 0
				err = s.SetHealth(id, source, up, nil)
				if delete(m.out[id], source); !up {
					m.out[id][source] = true
				}
			case what < 34:
				on := rng.IntN(2) == 0
				err = s.Drain(id, on)
				if delete(m.out[id], "drain"); on {
					m.out[id]["drain"] = true
				}
			default:
				if got, want := pick(s), m.pick(); got != want {
					t.Fatalf("seed %d, step %d: Pick() = %s, want %s of %v", seed, step, got, want, m.row)
				}
			}
			if err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
	}
}

// TestRoundRobinWindow: with a fixed set, any window as long as the number of eligible destinations has each of them once.
func TestRoundRobinWindow(t *testing.T) {
	for n := range 20 {
		s := pool(t, n)
		var eligible []string
		for i := range n {
			if i%3 == 1 {
				s.SetWeight(fmt.Sprint(i), 0)
			} else {
				eligible = append(eligible, fmt.Sprint(i))
			}
		}
		slices.Sort(eligible)
		var picks []string
		for range 5 * n {
			picks = append(picks, pick(s))
		}
		for at := 0; at+len(eligible) <= len(picks); at++ {
			window := slices.Clone(picks[at : at+len(eligible)])
			if slices.Sort(window); !slices.Equal(window, eligible) {
				t.Fatalf("%d destinations: window %v, want each of %v once", n, window, eligible)
			}
		}
	}
}

// TestRoundRobinParallel: the sequence is exact, so that picks by many goroutines come out even to the last one.
func TestRoundRobinParallel(t *testing.T) {
	const workers, n = 4, 7
	picks := 1_500_000 // long enough for the workers to meet on a busy machine of two cores
	if race.Enabled {
		picks /= 30
	}
	s := pool(t, n)
	var counts [workers][n]int
	start := make(chan struct{})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			<-start
			for range picks {
				d, err := s.Pick(lvs.Flow{})
				if err != nil {
					t.Error(err)
					return
				}
				counts[w][d.ID()[0]-'0']++
			}
		})
	}
	close(start)
	wg.Wait()
	for i := range n {
		got, want := 0, workers*picks/n
		for w := range workers {
			got += counts[w][i]
		}
		if got != want && got != want+1 {
			t.Errorf("destination %d was picked %d times, want %d or %d", i, got, want, want+1)
		}
	}
}

// TestRoundRobinSwap: while destinations come and go, every pick finds one, never one that is out all the time.
func TestRoundRobinSwap(t *testing.T) {
	s := pool(t, 3)
	s.SetWeight("1", 0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if id := pick(s); id == "-" || id == "1" {
					t.Errorf("Pick() = %q", id)
					return
				}
			}
		})
	}
	for i := range 5000 {
		s.Add(dest(99), lvs.ID("99"))
		s.SetHealth("0", "test", i%2 == 0, nil)
		s.Remove("99")
	}
	close(done)
	wg.Wait()
}

// TestPickAllocs is a gate: a pick takes no memory, and the books do not either.
func TestPickAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("allocations are counted without the race detector")
	}
	s := pool(t, 32)
	own := pool(t, 32, lvs.WithScheduler(lvs.NewScheduler("second", func(v lvs.View, f lvs.Flow) (int, bool) {
		return 1, f.Client.Port() == 1
	})))
	first, err := s.Pick(lvs.Flow{})
	if err != nil {
		t.Fatal(err)
	}
	flow := lvs.Flow{Client: netip.MustParseAddrPort("198.51.100.7:1"), Virtual: vip}
	for _, tt := range []struct {
		name string
		op   func()
	}{
		{"rr", func() { s.Pick(flow) }},
		{"rr again", func() { s.Pick(flow, first) }},
		{"own", func() { own.Pick(flow) }},
		{"books", func() {
			b := first.Bind()
			b.SetActive(true)
			b.In(1)
			b.Out(1)
			b.Unbind()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(10, func() {
				for range 1000 {
					tt.op()
				}
			}); n != 0 {
				t.Errorf("%v allocations in 1,000 operations, want 0", n)
			}
		})
	}
}
