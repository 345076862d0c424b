package main

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// binder puts flags into a flag set. A value that is refused is noted and parsing goes on, so that one run lists every
// problem.
type binder struct {
	set  *flag.FlagSet
	note func(error)
}

func newBinder(note func(error)) *binder {
	set := flag.NewFlagSet("vrrpd", flag.ContinueOnError)
	set.SetOutput(io.Discard) // problems are printed in one place
	return &binder{set, note}
}

// one binds a flag with one value; the last one given counts.
func one[T any](b *binder, name, usage string, into *T, parse func(string) (T, error)) {
	b.set.Func(name, usage, func(text string) error {
		v, err := parse(text)
		if err != nil {
			b.note(fmt.Errorf("-%s %q: %w", name, text, err))
			return nil
		}
		*into = v
		return nil
	})
}

// many binds a repeatable flag. The first value given here replaces what was inherited.
func many[T any](b *binder, name, usage string, into *[]T, parse func(string) (T, error)) {
	first := true
	one(b, name, usage, new(T), func(text string) (v T, err error) {
		if v, err = parse(text); err != nil {
			return v, err
		}
		if first {
			*into, first = nil, false
		}
		*into = append(*into, v)
		return v, nil
	})
}

// secret binds a flag whose value is never printed: the error of parse must not hold it.
func secret(b *binder, name, usage string, set func(string) error) {
	b.set.Func(name, usage, func(text string) error {
		if err := set(text); err != nil {
			b.note(fmt.Errorf("-%s: %w", name, err))
		}
		return nil
	})
}

// truth binds a flag that may stand alone.
func truth(b *binder, name, usage string, into *bool) {
	b.set.BoolFunc(name, usage, func(text string) error {
		v, err := strconv.ParseBool(text)
		if err != nil {
			b.note(fmt.Errorf("-%s=%s: want true or false", name, text))
			return nil
		}
		*into = v
		return nil
	})
}

// parse reads arguments to the end, noting what is not a flag. It returns flag.ErrHelp when that was asked for.
func (b *binder) parse(args []string) error {
	for {
		err := b.set.Parse(args)
		args = b.set.Args()
		switch {
		case err == flag.ErrHelp:
			return err
		case err != nil:
			b.note(err)
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") { // most likely the value of an unknown flag
				args = args[1:]
			}
		case len(args) == 0:
			return nil
		default:
			b.note(fmt.Errorf("unexpected argument %q", args[0]))
			args = args[1:]
		}
	}
}

// parsePairs reads what stands between the commas of -instance: key=value, the keys being the names of the flags.
func (b *binder) parsePairs(text string) {
	pairs, err := words(text, inInstance)
	if err != nil {
		b.note(err)
		return
	}
	for _, pair := range pairs {
		key, _, valued := strings.Cut(pair, "=")
		f := b.set.Lookup(key)
		switch alone, ok := valueOf(f).(interface{ IsBoolFlag() bool }); {
		case f == nil:
			b.note(fmt.Errorf("unknown key %q: want the name of a flag", key))
		case !valued && !(ok && alone.IsBoolFlag()):
			b.note(fmt.Errorf("%s: want %s=value", key, key))
		default:
			if err := b.set.Parse([]string{"-" + pair}); err != nil {
				b.note(err)
			}
		}
	}
}

func valueOf(f *flag.Flag) any {
	if f == nil {
		return nil
	}
	return f.Value
}
