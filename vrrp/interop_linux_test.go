package vrrp_test

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/lab"
	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/internal/race"
)

// interopProgram names the built examples/vrrpd to the copies of this binary
// that run in a namespace.
const interopProgram = "MAINSTAY_VRRPD"

// TestInterop plays examples/vrrpd against keepalived, FRR and itself, in
// network namespaces.
//
// Every case has a namespace and a process of its own, and mostly waits: some
// run at once. Nothing here measures time; docs/benchmarks/vrrp does.
func TestInterop(t *testing.T) {
	if !need.All() {
		t.Skip("takes a minute, keepalived and FRR: MAINSTAY_TEST=all runs it")
	}
	if race.Enabled {
		t.Skip("other processes: the race detector sees nothing of them")
	}
	need.Program(t, "keepalived", lab.FRRDir+"/zebra", lab.FRRDir+"/vrrpd", "ip", "nft", "go")
	if os.Getenv(interopProgram) == "" {
		t.Setenv(interopProgram, lab.Build(t, "github.com/mainstay-ha/mainstay/examples/vrrpd"))
	}
	const atOnce = 6
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, c := range slices.Concat(lifeCases(), electionCases(), faultCases()) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.Run(c.name, func(t *testing.T) {
				if !need.NamespaceAgain(t, 3) { // a loaded machine is reason enough for a takeover
					return
				}
				hosts := max(c.hosts, 2)
				c.play(&rig{Lab: lab.New(t, lab.Config{Hosts: hosts, LANs: c.lans}), t: t})
			})
		})
	}
	wg.Wait()
}

// interopCase is one case of TestInterop.
type interopCase struct {
	name  string
	hosts int // default 2
	lans  int // default 1
	play  func(r *rig)
}

// ours is the program under test.
func ours(args ...string) lab.Program {
	return lab.VRRPd{Path: os.Getenv(interopProgram), Args: args}
}

// rig is a laboratory and the speakers that run in it.
type rig struct {
	*lab.Lab
	t        *testing.T
	speakers []*lab.Speaker // that have not ended
	all      []*lab.Speaker
}

// start starts a program in a host.
func (r *rig) start(p lab.Program, host int, routers ...lab.Router) *lab.Speaker {
	r.t.Helper()
	s := p.Start(r.Host(host), routers...)
	r.speakers, r.all = append(r.speakers, s), append(r.all, s)
	return s
}

// stop asks a speaker to end, and waits for that.
func (r *rig) stop(s *lab.Speaker) {
	r.t.Helper()
	r.forget(s)
	if err := s.Stop(); err != nil {
		r.Fatalf("host %d: asked to end: %v", s.Host.N, err)
	}
}

// resign asks a speaker to end, and waits until it has said so on the wire.
func (r *rig) resign(s *lab.Speaker) {
	r.t.Helper()
	mark := r.Mark()
	r.forget(s)
	s.Terminate()
	for _, v := range s.Routers {
		r.WaitFrame("priority 0", mark, func(f lab.Frame) bool { return advertOf(f, v) && f.Host == s.Host.N && f.Priority == 0 })
	}
}

// kill ends a speaker where it stands.
func (r *rig) kill(s *lab.Speaker) {
	r.t.Helper()
	r.forget(s)
	s.Kill()
}

func (r *rig) forget(s *lab.Speaker) {
	r.speakers = slices.DeleteFunc(r.speakers, func(o *lab.Speaker) bool { return o == s })
}

// advertOf reports whether a frame is an advert of a virtual router.
func advertOf(f lab.Frame, v lab.Router) bool {
	return f.Kind == lab.Advert && f.VRID == v.VRID && f.LAN == v.LAN && f.From.Is6() == (v.Family() == 6)
}

// active waits until s alone speaks for its routers and has the addresses, and
// all others that run have none.
func (r *rig) active(s *lab.Speaker) {
	r.t.Helper()
	mark := r.Mark()
	for _, v := range s.Routers {
		r.Wait("host "+string(rune('0'+s.Host.N))+" to be Active alone", func() bool {
			return r.speaksAlone(s, v, mark, few(v)) && s.Holds(v) && !slices.ContainsFunc(r.speakers, func(o *lab.Speaker) bool {
				return o != s && !o.Free(v)
			})
		})
	}
}

// few is a number of adverts that takes no long time.
func few(v lab.Router) int {
	if v.Interval >= time.Second {
		return 1
	}
	return 3
}

// speaksAlone reports whether the last n adverts since the mark are all of s.
func (r *rig) speaksAlone(s *lab.Speaker, v lab.Router, mark, n int) bool {
	frames := r.Since(mark)
	for _, f := range slices.Backward(frames) {
		if !advertOf(f, v) {
			continue
		}
		if f.Host != s.Host.N || f.Priority == 0 {
			return false
		}
		if n--; n == 0 {
			return true
		}
	}
	return false
}

// steady waits for n adverts of s, and nobody else may send one meanwhile but
// those that are let. At 10ms a busy machine is reason enough for one.
func (r *rig) steady(s *lab.Speaker, n int, let ...*lab.Speaker) {
	r.t.Helper()
	v, mark := s.Routers[0], r.Mark()
	strict := v.Interval >= 100*time.Millisecond
	r.Wait("adverts of one speaker", func() bool {
		heard := 0
		for _, f := range r.Since(mark) {
			if !advertOf(f, v) {
				continue
			}
			if strict && f.Host != s.Host.N && !slices.ContainsFunc(let, func(o *lab.Speaker) bool { return o.Host.N == f.Host }) {
				r.Fatalf("host %d is Active and steady, but: %v", s.Host.N, f)
			}
			if f.Host == s.Host.N {
				if strict && f.Priority == 0 {
					r.Fatalf("host %d is Active and steady, but: %v", s.Host.N, f)
				}
				heard++
			}
		}
		return heard >= n
	})
}

// announced waits until s has announced every address of its first router
// since the mark, and nobody else announced it later.
func (r *rig) announced(s *lab.Speaker, mark int) {
	r.t.Helper()
	v := s.Routers[0]
	for _, vip := range v.VIPs {
		r.Wait("the last word about "+vip.Addr().String(), func() bool {
			f, ok := r.lastWord(vip.Addr(), mark)
			return ok && f.Host == s.Host.N
		})
	}
}

// lastWord is the last announcement of an address.
func (r *rig) lastWord(addr netip.Addr, mark int) (lab.Frame, bool) {
	for _, f := range slices.Backward(r.Since(mark)) {
		if f.Kind == lab.Announce && f.Addr == addr {
			return f, true
		}
	}
	return lab.Frame{}, false
}

// follows waits until a host that talks to an address would send to s.
func (r *rig) follows(client *lab.Host, s *lab.Speaker, addr netip.Addr) {
	r.t.Helper()
	v := s.Routers[0]
	want := s.Host.MAC(v.LAN)
	if s.UsesVirtualMAC(v) {
		want = v.MAC()
	}
	r.Wait("a neighbour to follow "+addr.String(), func() bool {
		got, ok := client.Neighbor(addr)
		return ok && got == want
	})
}

// complaints are what keepalived or FRR write when they do not like an advert.
var complaints = regexp.MustCompile(`(?i)invalid|mismatch|checksum|unexpected|bogus|incorrect|truncated|different|Bad VRRP`)

// clean fails the test if any speaker that ever ran complained.
func (r *rig) clean() {
	r.t.Helper()
	for _, s := range r.all {
		for _, l := range s.Process().Lines() {
			bad := complaints
			if r.isOurs(s) { // which warns of what the test does
				bad = failures
			}
			// FRR shows every advert that it takes, with its checksum.
			if bad.MatchString(l.Text) && !frrDump.MatchString(l.Text) {
				r.t.Errorf("host %d: %s complains: %s", s.Host.N, s.Process().Name, l.Text)
			}
		}
	}
	if n := r.Lost(); n > 0 {
		r.t.Errorf("the capture lost %d frames", n)
	}
}

// failures are what ours writes when it could not do something.
var failures = regexp.MustCompile(`level=ERROR|^panic:|^fatal error:|^goroutine `)

func (r *rig) isOurs(s *lab.Speaker) bool { return !s.FRR && s.Process().Name == "vrrpd" }

var frrDump = regexp.MustCompile(`Received VRRP Advertisement from .* checksum [0-9a-f]+$`)
