//go:build unix

// Command quickstart shows the main job on one machine: a service address that keeps answering real HTTP clients while
// backends and the balancers themselves are killed. It needs no privilege, and nothing to be installed.
//
//	go run ./examples/quickstart                      until Ctrl-C; try curl http://127.0.0.1:8080/status meanwhile
//	go run ./examples/quickstart -interval 100ms      a takeover in a third of a second
//	go run ./examples/quickstart -for 20s             ends by itself
//
// The parent listens once and starts three small HTTP backends and two balancer nodes, a and b, as children of its own.
// Each node checks the backends, balances over them with the proxy engine, and runs a VRRP router that speaks to the
// other node over UDP with signed adverts. The Active node accepts from the inherited listener, the other one does not.
// That stands in for a virtual IP address on one host: the parent keeps the socket open, so that connections made while
// nobody accepts wait in its queue, as SYNs to an absent address would be sent again.
//
// A client in the parent sends steady requests while a timeline plays: a backend is killed and comes back, the Active
// node is killed and its peer takes over, the node returns and takes the address back, and one node is drained.
// The last line tells what it cost: only requests under way on the killed node may fail.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the program's flags.
type options struct {
	listen   string
	interval time.Duration
	lasts    time.Duration // 0: until a signal
	rate     int
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(runChild(role))
	}
	o, err := parseFlags(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string, output io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	set.SetOutput(output)
	set.DurationVar(&o.lasts, "for", 0, "end after this long; without it, at Ctrl-C")
	set.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the service")
	set.DurationVar(&o.interval, "interval", time.Second, "VRRP advertisement interval, 10ms to 40.95s in steps of 10ms")
	set.IntVar(&o.rate, "rate", 500, "requests per second of the client, 1 to 10000")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	least := 11*o.interval + 7*time.Second
	switch {
	case set.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", set.Arg(0))
	case o.rate < 1 || o.rate > 10000:
		return o, fmt.Errorf("-rate %d: want 1 to 10000", o.rate)
	case o.interval < 10*time.Millisecond || o.interval > 40950*time.Millisecond || o.interval%(10*time.Millisecond) != 0:
		return o, fmt.Errorf("-interval %v: want 10ms to 40.95s in steps of 10ms", o.interval)
	case o.lasts != 0 && o.lasts < least:
		return o, fmt.Errorf("-for %v: the timeline needs at least %v at this interval", o.lasts, least)
	}
	return o, nil
}

// run plays the timeline and keeps the service up until its time is over or a signal asks for the end.
func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := newShow(o)
	if err != nil {
		return err
	}
	defer s.close()
	if o.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, s.begun.Add(o.lasts))
		defer cancel()
	}

	load, endLoad := context.WithCancel(context.Background())
	defer endLoad()
	timeout := 10*time.Second + 5*o.interval
	c := &client{addr: s.addr, every: time.Second / time.Duration(o.rate), timeout: timeout, tally: s.tally}
	loaded := make(chan struct{})
	go func() { // joined below
		defer close(loaded)
		if s.wait(ctx, "the first Active node", 0, state("a", "active")) == nil {
			c.run(load)
		}
	}()

	timeline := s.play(ctx)
	var silence time.Duration
	if timeline == nil {
		silence = 2 * time.Second
		if o.lasts == 0 {
			s.print("serving until Ctrl-C")
		}
		<-ctx.Done()
	} else {
		silence = timeout // a signal may come in the middle of a takeover
		if errors.Is(timeline, errEarly) && o.lasts == 0 {
			timeline = nil // Ctrl-C before the end of the timeline is no failure
		}
	}
	endLoad()
	<-loaded
	end := time.Now()
	s.close()
	verdict := s.tally.verdict(end, silence)
	fmt.Println(s.tally.summary())
	return errors.Join(timeline, verdict)
}

// runChild is the main function of a child.
func runChild(role string) int {
	signal.Ignore(os.Interrupt) // the parent decides
	out := &emitter{out: os.Stdout}
	config := []byte(os.Getenv(configVariable))
	var err error
	switch role {
	case "backend":
		var c backendConfig
		if err = json.Unmarshal(config, &c); err == nil {
			err = runBackend(c, out)
		}
	case "node":
		var c nodeConfig
		if err = json.Unmarshal(config, &c); err == nil {
			err = runNode(c, os.NewFile(3, "listener"), out)
		}
	default:
		err = fmt.Errorf("unknown role %q in %s", role, roleVariable)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "quickstart %s: %v\n", role, err)
		return 1
	}
	return 0
}
