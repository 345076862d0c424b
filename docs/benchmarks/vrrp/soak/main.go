// Command soak counts false takeovers: an Active router and a Backup advertise
// at a short interval while every core is busy with other work.
//
//	go -C docs/benchmarks/vrrp run ./soak
//
// All programs are measured at the same time, each in a laboratory of its own.
package main

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/docs/benchmarks/vrrp/internal/bench"
	"github.com/mainstay-ha/mainstay/internal/lab"
)

var (
	duration = flag.Duration("for", 10*time.Minute, "how long")
	interval = flag.Duration("interval", 100*time.Millisecond, "advertisement interval")
	programs = flag.String("programs", "mainstay,keepalived", "who is measured")
	idle     = flag.Bool("idle", false, "leave the cores alone")
	verbose  = flag.Bool("v", false, "list every takeover, and every gap of more than two intervals")
)

func main() {
	flag.Parse()
	bench.Main(func(t lab.T) {
		contenders := bench.Contenders(t, strings.Split(*programs, ","))
		var labs []*lab.Lab
		for _, c := range contenders {
			l := lab.New(t, lab.Config{Hosts: 2})
			a := c.Start(l.Host(1), lab.Router{Priority: 200, Interval: *interval})
			b := c.Start(l.Host(2), lab.Router{Interval: *interval})
			l.Wait("the better router to be Active", func() bool { return a.Holds(a.Routers[0]) && b.Free(b.Routers[0]) })
			labs = append(labs, l)
		}
		if !*idle {
			bench.Busy(labs[0].Host(1))
		}
		bench.Sleep(t, 7*time.Second) // both bursts of announcements
		var marks []int
		for _, l := range labs {
			marks = append(marks, l.Mark())
		}
		bench.Sleep(t, *duration)
		fmt.Println("| program | interval | for | adverts | longest gap, ms | false takeovers |")
		fmt.Println("|---|---|---|---|---|---|")
		for i, l := range labs {
			c := bench.Watch(l.Since(marks[i]))
			fmt.Printf("| %s | %v | %v | %d | %.1f | %d |\n", contenders[i].Name, *interval, *duration, c.Adverts,
				float64(c.Longest)/1e6, c.Takeovers)
			for _, e := range c.Events {
				if *verbose {
					t.Logf("%s: %s", contenders[i].Name, e)
				}
			}
		}
	})
}
