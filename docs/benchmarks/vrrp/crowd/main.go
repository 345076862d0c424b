// Command crowd measures what many virtual routers on one interface cost: CPU
// time and memory of the process, Active and Backup.
//
//	go -C docs/benchmarks/vrrp run ./crowd
//
// All programs are measured at the same time, each in a laboratory of its own.
// Memory is the process's own (RssAnon); what a router adds is against the
// first number of routers.
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/docs/benchmarks/vrrp/internal/bench"
	"github.com/mainstay-ha/mainstay/internal/lab"
)

var (
	counts   = flag.String("n", "1,255", "numbers of routers")
	duration = flag.Duration("for", 30*time.Second, "how long CPU time is counted")
	interval = flag.Duration("interval", time.Second, "advertisement interval")
	programs = flag.String("programs", "mainstay,keepalived", "who is measured")
)

func main() {
	flag.Parse()
	bench.Main(func(t lab.T) {
		contenders := bench.Contenders(t, strings.Split(*programs, ","))
		first := map[string]int{} // memory with the first number of routers
		base := 0
		fmt.Println("| program | routers | state | CPU, % of a core | memory, kB | resident, kB | kB a router |")
		fmt.Println("|---|---|---|---|---|---|---|")
		for _, text := range strings.Split(*counts, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > 255 {
				t.Fatalf("-n: %q: want 1 to 255", text)
			}
			var speakers []*lab.Speaker
			for _, c := range contenders {
				speakers = append(speakers, start(t, c, n)...)
			}
			bench.Sleep(t, 12*time.Second) // both bursts of announcements
			before := usage(t, speakers)
			began := time.Now()
			bench.Sleep(t, *duration)
			passed := time.Since(began)
			for i, after := range usage(t, speakers) {
				name, state := contenders[i/2].Name, []string{"Active", "Backup"}[i%2]
				memory, resident := bench.Memory(t, speakers[i].PID())
				each := "-"
				if m, ok := first[name+state]; ok {
					each = fmt.Sprintf("%.1f", float64(memory-m)/float64(n-base))
				} else {
					first[name+state] = memory
				}
				fmt.Printf("| %s | %d | %s | %.3f | %d | %d | %s |\n", name, n, state,
					100*float64(after-before[i])/float64(passed), memory, resident, each)
			}
			if base == 0 {
				base = n
			}
			for _, s := range speakers {
				s.Kill()
			}
		}
	})
}

// start has n routers on two hosts, and waits until the better host has all.
func start(t lab.T, c bench.Contender, n int) []*lab.Speaker {
	l := lab.New(t, lab.Config{Hosts: 2, Patience: time.Minute})
	var out []*lab.Speaker
	for host, priority := range []uint8{200, 100} {
		var routers []lab.Router
		for v := range n {
			vip := netip.AddrFrom4([4]byte{10, 77, 1, byte(1 + v)})
			routers = append(routers, lab.Router{
				VRID: byte(1 + v), Priority: priority, Interval: *interval, VIPs: []netip.Prefix{netip.PrefixFrom(vip, 32)},
			})
		}
		out = append(out, c.Start(l.Host(host+1), routers...))
	}
	held := func(h *lab.Host) int {
		return h.Count(func(a lab.Addr) bool { return a.Prefix.Addr().Is4() && a.Prefix.Addr().As4()[2] == 1 })
	}
	l.Wait("the better host to have all addresses", func() bool { return held(l.Host(1)) == n && held(l.Host(2)) == 0 })
	return out
}

func usage(t lab.T, speakers []*lab.Speaker) (out []time.Duration) {
	for _, s := range speakers {
		out = append(out, bench.CPU(t, s.PID()))
	}
	return out
}
