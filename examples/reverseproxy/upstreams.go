package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/upstream"
)

// upstreams collects the -upstream flags. Each is an address and what nginx's server directive takes, separated by commas:
// 10.0.0.1:80,weight=5,max_fails=2,fail_timeout=30s,backup,down
type upstreams []upstream.Option

func (u *upstreams) String() string { return "" }

func (u *upstreams) Set(text string) error {
	addr, rest, _ := strings.Cut(text, ",")
	if addr == "" {
		return fmt.Errorf("no address in %q", text)
	}
	var server []upstream.ServerOption
	for rest != "" {
		var word string
		word, rest, _ = strings.Cut(rest, ",")
		option, err := serverOption(word)
		if err != nil {
			return err
		}
		server = append(server, option)
	}
	*u = append(*u, upstream.WithServer(addr, server...))
	return nil
}

func serverOption(word string) (upstream.ServerOption, error) {
	key, value, hasValue := strings.Cut(word, "=")
	switch key {
	case "weight", "max_fails":
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("%s=%q: want a number", key, value)
		}
		if key == "weight" {
			return upstream.Weight(n), nil
		}
		return upstream.MaxFails(n), nil
	case "fail_timeout":
		d, err := time.ParseDuration(value)
		if err != nil {
			return nil, fmt.Errorf("fail_timeout=%q: want a duration such as 10s", value)
		}
		return upstream.FailTimeout(d), nil
	case "backup", "down":
		if hasValue {
			return nil, fmt.Errorf("%s takes no value", key)
		}
		if key == "backup" {
			return upstream.Backup(), nil
		}
		return upstream.Down(), nil
	}
	return nil, fmt.Errorf("unknown parameter %q: want weight=N, max_fails=N, fail_timeout=D, backup or down", word)
}

// balancer turns the -balance flag into one of the balancers.
func balancer(name string) (upstream.Balancer, error) {
	switch name {
	case "rr":
		return upstream.RoundRobin(), nil
	case "least_conn":
		return upstream.LeastConn(), nil
	}
	return upstream.Balancer{}, fmt.Errorf("-balance %q: want rr or least_conn", name)
}
