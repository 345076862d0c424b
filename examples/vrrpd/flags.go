package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// options are what the command line asks for.
type options struct {
	instances []instance
	config    string
	status    string
	level     slog.Level
	listen    bool
	dryRun    bool
	build     bool
}

// parseFlags reads the command line and the file that it names. The error lists every problem. usage gets the help text
// where that is asked for, and the error is flag.ErrHelp then.
func parseFlags(args []string, usage io.Writer) (options, error) {
	o, err := parseArgs(args, usage)
	if o.config == "" || errors.Is(err, flag.ErrHelp) {
		return o, err
	}
	file := o.config
	b, err := readFile(file)
	if err != nil {
		return o, fmt.Errorf("-config: %w", err)
	}
	lines, err := words(string(b), inFile)
	if err != nil {
		return o, fmt.Errorf("-config %s: %w", file, err)
	}
	if inner, err := parseArgs(lines, io.Discard); inner.config != "" || errors.Is(err, flag.ErrHelp) {
		return o, fmt.Errorf("-config %s: -config and -h have no place in a file of flags", file)
	}
	return parseArgs(append(lines, args...), usage) // the command line comes last: it wins
}

// parseArgs reads flags only.
func parseArgs(args []string, usage io.Writer) (options, error) {
	var (
		o      options
		errs   []error
		common = newInstance()
		pairs  []string
	)
	note := func(err error) { errs = append(errs, err) }
	b := newBinder(note)
	common.bind(b)
	many(b, "instance", "one virtual router of several, as `KEY=VALUE,...`, repeatable: keys are flags, the other flags are defaults for all", &pairs, anything)
	one(b, "config", "`FILE` of flags, read again at SIGHUP; the command line wins", &o.config, anything)
	one(b, "status", "serve /status, /metrics and /healthz at `ADDRESS:PORT`", &o.status, anything)
	one(b, "log-level", "`LEVEL` of the log on standard error: debug, info, warn or error; default info", &o.level, logLevel)
	truth(b, "listen", "take no part: print every advert that arrives on -interface", &o.listen)
	truth(b, "dry-run", "check the flags and stop", &o.dryRun)
	truth(b, "build", "print how this program was built and stop", &o.build)
	b.set.Usage = func() {}
	switch err := b.parse(args); {
	case err != nil:
		printUsage(usage, b.set)
		return o, err
	case len(args) == 0:
		return o, errNoFlags
	case o.build:
		return o, errors.Join(errs...)
	case o.listen:
		if common.iface == "" {
			note(errors.New("-listen: -interface is missing"))
		}
		o.instances = []instance{common}
		return o, errors.Join(errs...)
	}
	o.instances = assemble(common, pairs, note)
	return o, errors.Join(errs...)
}

// assemble makes the virtual routers: one of the common flags, or one for each -instance.
func assemble(common instance, pairs []string, note func(error)) []instance {
	if len(pairs) == 0 {
		pairs = []string{""}
	}
	var out []instance
	for i, text := range pairs {
		in, prefix := common.clone(), ""
		if text != "" {
			prefix = fmt.Sprintf("-instance %d: ", i+1)
			b := newBinder(func(err error) { note(fmt.Errorf("%s%w", prefix, err)) })
			in.bind(b)
			b.parsePairs(text)
		}
		if in.name == "" {
			in.name = in.key().String()
		}
		if in.plan.Burst > 0 {
			in.plan.Repeat = in.plan.Burst // garp_master_repeat is both
		}
		for _, err := range in.problems() {
			note(fmt.Errorf("%s%w", prefix, err))
		}
		out = append(out, in)
	}
	if err := together(out); err != nil {
		note(err)
	}
	return out
}

// printUsage says what one needs first, and lists every flag.
func printUsage(w io.Writer, set *flag.FlagSet) {
	fmt.Fprint(w, strings.TrimPrefix(`
usage: vrrpd -interface NAME -vrid N -vip ADDRESS [flags]
       vrrpd -config FILE
       vrrpd -listen -interface NAME
       vrrpd -check A B      A and B: each a file of flags, or the flags themselves, quoted

`, "\n"))
	set.SetOutput(w)
	set.PrintDefaults()
	set.SetOutput(io.Discard)
}
