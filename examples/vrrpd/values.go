package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// span reads a duration as keepalived writes one, in seconds (1, 0.1), or as Go does (100ms).
func span(text string) (time.Duration, error) {
	if last := len(text) - 1; last >= 0 && text[last] >= '0' && text[last] <= '9' {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("want seconds (1, 0.1) or a duration (100ms), 0 or more")
	}
	return d, nil
}

// positive is span without 0.
func positive(text string) (time.Duration, error) {
	d, err := span(text)
	if err == nil && d == 0 {
		err = errors.New("want more than 0")
	}
	return d, err
}

// number reads a whole number.
func number(least, most int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("want %d to %d", least, most)
		}
		return n, nil
	}
}

// octet reads a whole number from 1 to 255.
func octet(text string) (uint8, error) {
	n, err := number(1, 255)(text)
	return uint8(n), err
}

// word reads one of several.
func word(choices ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		if !slices.Contains(choices, text) {
			return "", fmt.Errorf("want %s", strings.Join(choices, ", "))
		}
		return text, nil
	}
}

// label reads what stands in output lines without quotes.
func label(text string) (string, error) {
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.:@", r))
	}
	if text == "" || len(text) > 64 || strings.ContainsFunc(text, strange) {
		return "", errors.New("want 1 to 64 letters, digits, or _ - . : @")
	}
	return text, nil
}

// anything reads whatever is not empty.
func anything(text string) (string, error) {
	if text == "" {
		return "", errors.New("want a value")
	}
	return text, nil
}

// address reads the address of one host.
func address(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, errors.New("want the IPv4 or IPv6 address of a host")
	}
	return a, nil
}

// vip reads a virtual address: without a length it stands alone, as /32 or /128.
func vip(text string) (netip.Prefix, error) {
	addr, length, cut := strings.Cut(text, "/")
	a, err := address(addr)
	if err != nil {
		return netip.Prefix{}, err
	}
	if !cut {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := number(1, a.BitLen())(length)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("prefix length: %w", err)
	}
	return netip.PrefixFrom(a, n), nil
}

// peer reads addr[,min_ttl=N][,max_ttl=N], the words of keepalived's unicast_peer.
func peer(text string) (vrrp.Peer, error) {
	addr, rest, _ := strings.Cut(text, ",")
	a, err := address(addr)
	if err != nil {
		return vrrp.Peer{}, err
	}
	p := vrrp.Peer{Addr: a}
	for rest != "" {
		var key, value string
		value, rest, _ = strings.Cut(rest, ",")
		key, value, _ = strings.Cut(value, "=")
		n, err := octet(value)
		switch {
		case key != "min_ttl" && key != "max_ttl":
			return p, fmt.Errorf("unknown option %q: want min_ttl=N or max_ttl=N", key)
		case err != nil:
			return p, fmt.Errorf("%s: %w", key, err)
		case key == "min_ttl":
			p.MinTTL = n
		default:
			p.MaxTTL = n
		}
	}
	if p.MaxTTL == 0 && p.MinTTL > 0 {
		p.MaxTTL = 255
	}
	if p.MinTTL > p.MaxTTL {
		return p, fmt.Errorf("min_ttl %d is above max_ttl %d", p.MinTTL, p.MaxTTL)
	}
	return p, nil
}

// hmacKey reads ID:hex or ID:@file. Errors tell the number only.
func hmacKey(text string) (vrrp.HMACKey, error) {
	number, digits, ok := strings.Cut(text, ":")
	id, err := octet(number)
	if err != nil || !ok {
		return vrrp.HMACKey{}, errors.New("want ID:hex or ID:@file, the ID from 1 to 255")
	}
	if file, ok := strings.CutPrefix(digits, "@"); ok {
		b, err := readFile(file)
		if err != nil {
			return vrrp.HMACKey{}, fmt.Errorf("key %d: %w", id, err)
		}
		digits = strings.TrimSpace(string(b))
	}
	secret, err := hex.DecodeString(digits)
	if err != nil {
		return vrrp.HMACKey{}, fmt.Errorf("key %d: want 64 to 128 hexadecimal digits", id)
	}
	return vrrp.NewHMACKey(id, secret)
}

// logLevel reads a level of package slog.
func logLevel(text string) (level slog.Level, err error) {
	if level.UnmarshalText([]byte(text)) != nil {
		err = errors.New("want debug, info, warn or error")
	}
	return level, err
}

// maxFile is the largest file of flags or of a key.
const maxFile = 1 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	return b, err
}
