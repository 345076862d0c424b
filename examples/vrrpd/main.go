// Command vrrpd is a VRRP daemon of flags: it holds virtual addresses on this host while it is the Active router of their
// virtual router, and speaks with keepalived, FRR and any other router of RFC 9568 or RFC 3768. It runs on Linux.
//
//	vrrpd -interface eth0 -vrid 51 -priority 150 -vip 192.0.2.100/24
//
// on one host, and the same with -priority 100 on another: the first holds 192.0.2.100, the second takes over in 3.6
// seconds when the first dies, in 36 ms with -interval 10ms, and at once when it is stopped.
//
//	vrrpd -version 2 -password 1111 ...                 speaks as keepalived does by default
//	vrrpd -track '-60:pidof nginx' ...                  gives the address away while nginx is down
//	vrrpd -interface eth0 -instance 'vrid=51,priority=100,vip=192.0.2.100/24' -instance 'vrid=52,priority=90,vip=192.0.2.101/24'
//	vrrpd -config FILE                                  the same flags in a file, # for comments; SIGHUP reads it again
//	vrrpd -listen -interface eth0                       takes no part and prints every advert
//	vrrpd -check A B                                    compares two nodes, each a file of flags or the flags, quoted
//	vrrpd -h                                            lists every flag
//
// Each change of state is a line on standard output, and nothing else is; the log goes to standard error:
//
//	2026-01-01T12:00:00.000000000Z vrid=51 iface=eth0 from=backup to=active reason=no-response priority=100 name=eth0-51
//
// SIGTERM and SIGINT stop it: an Active router sends priority 0, keeps the addresses until its heir has them, for one
// interval at most, and removes them. Another one a second later stops it at once. SIGHUP reads the flags again and changes what runs:
// priority, interval, preemption, addresses, keys and what is tracked without a change of state; a router with another
// interface, VRID, version or group starts anew; what is not mentioned stays as it is.
//
// Exit codes: 0 after a signal, 1 when a router failed (its transport broke) or a second signal came, 2 for bad flags, all
// of which are listed, 3 without CAP_NET_RAW and CAP_NET_ADMIN, 4 when an interface does not exist. With -check: 0 when the
// nodes fit together, 1 when something is to be mended, 2 for bad flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the program; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == "-check" || args[0] == "--check") {
		return check(args[1:], stdout, stderr)
	}
	o, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitClean
	case err != nil:
		report(stderr, err)
		return exitFlags
	case o.build:
		info, _ := debug.ReadBuildInfo()
		fmt.Fprint(stdout, info)
		return exitClean
	case o.dryRun:
		fmt.Fprintf(stdout, "%d virtual routers, no problem found\n", len(o.instances))
		return exitClean
	}
	if err = work(o, args, &printer{w: stdout}, stderr); err != nil {
		report(stderr, err)
	}
	return exitCode(err)
}

// work runs until a signal.
func work(o options, args []string, out *printer, stderr io.Writer) error {
	var level slog.LevelVar
	level.Set(o.level)
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: &level}))

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGPIPE) // whoever reads the output may end before a router does

	if o.listen {
		return listen(o.instances[0].iface, out, signals)
	}
	d, err := newDaemon(out, log, kernel())
	if err != nil {
		return err
	}
	if o.status != "" {
		door, err := d.open(o.status)
		if err != nil {
			return err
		}
		defer door.close()
	}
	return d.run(o.instances, signals, func() ([]instance, error) {
		now, err := parseFlags(args, io.Discard)
		if err == nil {
			level.Set(now.level)
		}
		if now.status != o.status {
			log.Warn("-status takes effect at the next start")
		}
		return now.instances, err
	})
}

// listen prints every advert on an interface until a signal.
func listen(iface string, out *printer, signals <-chan os.Signal) error {
	if err := missing([]instance{{iface: iface}}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- hear(ctx, iface, out.line) }() // joined below
	for {
		select {
		case err := <-ended:
			return refused(err)
		case s := <-signals:
			if s != syscall.SIGHUP {
				cancel()
				return refused(<-ended)
			}
		}
	}
}
