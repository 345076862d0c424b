// Command flap measures how soon a thousand virtual routers on four interfaces
// are where they belong after all links of the better host went down and came
// back.
//
//	go -C docs/benchmarks/vrrp run ./flap
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/docs/benchmarks/vrrp/internal/bench"
	"github.com/mainstay-ha/mainstay/internal/lab"
)

var (
	lans     = flag.Int("lans", 4, "networks")
	each     = flag.Int("each", 250, "routers on each")
	interval = flag.Duration("interval", time.Second, "advertisement interval")
	programs = flag.String("programs", "mainstay,keepalived", "who is measured")
	patience = flag.Duration("patience", 2*time.Minute, "how long a program may take for each step")
)

func main() {
	flag.Parse()
	bench.Main(func(t lab.T) {
		fmt.Println("| program | routers | step | all are there after, s | theory, s | CPU time of both, s |")
		fmt.Println("|---|---|---|---|---|---|")
		for _, c := range bench.Contenders(t, strings.Split(*programs, ",")) {
			measure(t, c)
		}
	})
}

func measure(t lab.T, c bench.Contender) {
	l := lab.New(t, lab.Config{Hosts: 2, LANs: *lans, Patience: *patience})
	all := *lans * *each
	began := time.Now()
	var speakers []*lab.Speaker
	for host, priority := range []uint8{200, 100} {
		var routers []lab.Router
		for lan := range *lans {
			for v := range *each {
				vip := netip.AddrFrom4([4]byte{10, byte(77 + lan), 1, byte(1 + v)})
				routers = append(routers, lab.Router{
					VRID: byte(1 + v), LAN: lan, Priority: priority, Interval: *interval,
					VIPs: []netip.Prefix{netip.PrefixFrom(vip, 32)},
				})
			}
		}
		speakers = append(speakers, c.Start(l.Host(host+1), routers...))
	}
	held := func(h *lab.Host) int {
		return h.Count(func(a lab.Addr) bool { return a.Prefix.Addr().Is4() && a.Prefix.Addr().As4()[2] == 1 })
	}
	cpu := func() (sum time.Duration) {
		for _, s := range speakers {
			sum += bench.CPU(t, s.PID())
		}
		return sum
	}
	used := time.Duration(0)
	step := func(name string, theory time.Duration, there func() bool) {
		l.Wait(name, there)
		total := cpu()
		fmt.Printf("| %s | %d | %s | %.2f | %.2f | %.2f |\n", c.Name, all, name, time.Since(began).Seconds(), theory.Seconds(), (total - used).Seconds())
		used = total
		bench.Sleep(t, 10*time.Second) // what is left of announcements
		used = cpu()
		began = time.Now()
	}
	a, b := speakers[0].Routers[0].Down(), speakers[1].Routers[0].Down()
	step("start", a, func() bool { return held(l.Host(1)) == all && held(l.Host(2)) == 0 })
	l.Host(1).Unplug()
	step("links down", b, func() bool { return held(l.Host(2)) == all })
	l.Host(1).Plug()
	step("links up", a, func() bool { return held(l.Host(1)) == all && held(l.Host(2)) == 0 })
	for _, s := range speakers {
		s.Kill()
	}
}
