// Command inprocess counts false takeovers of a router that shares its process
// with a proxy under full load and with a large heap.
//
//	go -C docs/benchmarks/vrrp run ./inprocess
//
// Host 1 runs the process under test: an Active router, a proxy behind both of
// its doors, some gigabytes of live objects, and garbage. A load generator and
// a backend beside it keep every core busy. Host 2 runs a Backup.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/docs/benchmarks/vrrp/internal/bench"
	"github.com/mainstay-ha/mainstay/internal/lab"
)

var (
	duration    = flag.Duration("for", 10*time.Minute, "how long")
	interval    = flag.Duration("interval", 100*time.Millisecond, "advertisement interval")
	heap        = flag.Int("heap", 2048, "live objects of the process, in MB")
	garbage     = flag.Int("garbage", 200, "garbage that the process makes beside the proxy, in MB a second")
	connections = flag.Int("connections", 64, "client connections, at each door")
	backup      = flag.String("backup", "mainstay", "who is the Backup: mainstay or keepalived")
	verbose     = flag.Bool("v", false, "list every takeover, and every gap of more than two intervals")
	role        = flag.String("role", "", "used by the program itself")
)

func main() {
	flag.Parse()
	var err error
	switch *role {
	case "":
		bench.Main(measure)
	case "node":
		err = node()
	case "backend":
		err = backend()
	case "load":
		err = load()
	default:
		err = fmt.Errorf("no such role: %s", *role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "inprocess:", *role+":", err)
		os.Exit(1)
	}
}

func measure(t lab.T) {
	l := lab.New(t, lab.Config{Hosts: 2, Patience: 2 * time.Minute})
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("%v", err)
	}
	h := l.Host(1)
	part := func(name string) *lab.Process {
		p := h.Start(self, "-role="+name, fmt.Sprint("-interval=", *interval), fmt.Sprint("-heap=", *heap),
			fmt.Sprint("-garbage=", *garbage), fmt.Sprint("-connections=", *connections))
		p.WaitLine("^ready$")
		return p
	}
	part("backend")
	b := bench.Contenders(t, []string{*backup})[0].Start(l.Host(2), lab.Router{Interval: *interval})
	n := part("node")
	vip := b.Routers[0]
	l.Wait("the process to be Active", func() bool { return h.Has(vip.VIPs[0].Addr()) && b.Free(vip) })
	client := part("load")
	bench.Sleep(t, 7*time.Second)

	mark := l.Mark()
	before := bench.CPU(t, n.PID())
	began := time.Now()
	bench.Sleep(t, *duration)
	c := bench.Watch(l.Since(mark))
	used := bench.CPU(t, n.PID()) - before
	for _, e := range c.Events {
		if *verbose {
			t.Logf("%s", e)
		}
	}
	passed := time.Since(began)
	_, resident := bench.Memory(t, n.PID())
	for _, p := range []*lab.Process{client, n} { // each has a last word
		p.Signal(unix.SIGTERM)
		if err := p.Join(); err != nil {
			l.Fatalf("%s: %v", p.Name, err)
		}
	}
	word := func(p *lab.Process) string {
		lines := p.Lines()
		return strings.TrimPrefix(lines[len(lines)-1].Text, "stats: ")
	}
	fmt.Println("| interval | for | adverts | longest gap, ms | false takeovers | CPU of the process, cores | resident, MB | process | clients |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	fmt.Printf("| %v | %v | %d | %.1f | %d | %.2f of %d | %d | %s | %s |\n", *interval, *duration, c.Adverts, float64(c.Longest)/1e6, c.Takeovers,
		used.Seconds()/passed.Seconds(), runtime.NumCPU(), resident/1024, word(n), word(client))
}
