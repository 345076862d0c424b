// Command failover measures how long a virtual address is away when its owner
// ends: ours and keepalived, in turn, in network namespaces.
//
//	go -C docs/benchmarks/vrrp run ./failover
//
// Two routers (priorities 200 and 100) and a client are on one bridge. The
// times of adverts and announcements are the kernel's, taken on the bridge. The
// client pings the address every millisecond, and opens a connection to it
// every five. Then the owner is ended at a random moment of its interval:
//
//	kill   SIGKILL to the program: its address stays, and still answers
//	crash  the same, and the cable is pulled: a dead host
//	term   SIGTERM: it resigns
//
// Theory is the time from the last advert of the old owner to the first of the
// new one: three intervals and the skew of priority 100, or the skew alone
// after priority 0.
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
	runs      = flag.Int("runs", 20, "runs of each kind")
	intervals = flag.String("intervals", "1s,100ms,10ms", "advertisement intervals")
	ends      = flag.String("ends", "kill,term", "kill, crash, term")
	programs  = flag.String("programs", "mainstay,keepalived", "who is measured")
	version   = flag.Int("version", 3, "version of VRRP")
	six       = flag.Bool("6", false, "IPv6")
	verbose   = flag.Bool("v", false, "print every run")
)

func main() {
	flag.Parse()
	bench.Main(func(t lab.T) {
		l := lab.New(t, lab.Config{Hosts: 3, Patience: time.Minute})
		serve(t, l.Host(1))
		serve(t, l.Host(2))
		contenders := bench.Contenders(t, strings.Split(*programs, ","))
		fmt.Println("| interval | end | program | takeover less theory, ms | first announcement, ms | longest ping gap, ms | pings lost | longest connect gap, ms |")
		fmt.Println("|---|---|---|---|---|---|---|---|")
		for _, text := range strings.Split(*intervals, ",") {
			interval, err := time.ParseDuration(text)
			if err != nil {
				t.Fatalf("-intervals: %v", err)
			}
			for _, end := range strings.Split(*ends, ",") {
				tables := make([]table, len(contenders))
				for n := range *runs {
					for i, c := range contenders { // in turn, so that all have the same weather
						r := measure(t, l, c, interval, end)
						for r.Connects == 0 { // seen once in a hundred runs, while every ping was answered
							t.Logf("%s %s %d %s: left out, the client could not connect", text, end, n+1, c.Name)
							r = measure(t, l, c, interval, end)
						}
						tables[i].add(r)
						if *verbose {
							t.Logf("%s %s %d %s: %+v", text, end, n+1, c.Name, r)
						}
					}
				}
				for i, c := range contenders {
					fmt.Printf("| %s | %s | %s | %s |\n", text, end, c.Name, tables[i])
				}
			}
		}
	})
}

// result is one takeover.
type result struct {
	Over       time.Duration // from the last advert to the first, less theory
	Announced  time.Duration // from the first advert to the first announcement
	PingGap    time.Duration
	Lost       int // pings
	Connects   int
	ConnectGap time.Duration
}

// measure plays one takeover.
func measure(t lab.T, l *lab.Lab, c bench.Contender, interval time.Duration, end string) result {
	router := lab.Router{Version: *version, Interval: interval}
	if *six {
		router.VIPs = lab.IPv6VIPs()
	}
	high := router
	high.Priority = 200
	mark := l.Mark()
	b := c.Start(l.Host(2), router)
	a := c.Start(l.Host(1), high)
	from := func(n int) func(lab.Frame) bool {
		return func(f lab.Frame) bool { return f.Kind == lab.Advert && f.Host == n && f.Priority > 0 }
	}
	l.WaitFrame("the better router's advert", mark, from(1))
	l.Wait("the worse router to be a Backup", func() bool { return a.Holds(a.Routers[0]) && b.Free(b.Routers[0]) })
	vip := a.Routers[0].VIPs[len(a.Routers[0].VIPs)-1].Addr()

	// Both started at once; the client must begin with the right one.
	client := newClient(t, l.Host(3), vip)
	l.Wait("the client to talk to host 1", func() bool { mac, ok := l.Host(3).Neighbor(vip); return ok && mac == l.Host(1).MAC(0) })
	mark = l.Mark()
	l.WaitFrame("an advert", mark, from(1))
	bench.Sleep(t, 300*time.Millisecond)
	bench.SomePhase(t, interval)

	mark = l.Mark()
	began := time.Now()
	theory := b.Routers[0].Down()
	switch end {
	case "kill":
		a.Kill()
	case "crash":
		a.Host.Unplug()
		a.Kill()
	case "term":
		a.Terminate()
		theory = b.Routers[0].Skew()
	default:
		t.Fatalf("no such end: %s", end)
	}
	first := l.WaitFrame("the other router's advert", mark, from(2))
	announced := l.WaitFrame("an announcement", mark, func(f lab.Frame) bool {
		return f.Kind == lab.Announce && f.Host == 2 && f.Addr == vip && f.At.After(first.At)
	})
	bench.Sleep(t, 300*time.Millisecond)
	r := client.stop(began.Add(-100 * time.Millisecond))
	var last time.Time
	for _, f := range l.Frames() {
		if f.Kind == lab.Advert && f.Host == 1 && f.At.Before(first.At) {
			last = f.At
		}
	}
	r.Over = first.At.Sub(last) - theory
	r.Announced = announced.At.Sub(first.At)

	if end == "term" {
		_ = a.Process().Join() // keepalived takes a second
	}
	b.Kill()
	a.Host.Plug()
	for _, h := range l.Hosts()[:2] {
		for _, v := range a.Routers[0].VIPs {
			if h.Has(v.Addr()) { // of the killed
				h.IP("address del %v dev eth0", v)
			}
		}
	}
	l.Host(3).IP("neigh flush dev eth0")
	return r
}

// table collects results.
type table struct {
	over, announced, ping, lost, connect bench.Spread
}

func (t *table) add(r result) {
	t.over.Add(r.Over)
	t.announced.Add(r.Announced)
	t.ping.Add(r.PingGap)
	t.lost = append(t.lost, float64(r.Lost))
	t.connect.Add(r.ConnectGap)
}

func (t table) String() string {
	return fmt.Sprintf("%v | %v | %v | %v | %v", t.over, t.announced, t.ping, t.lost, t.connect)
}
