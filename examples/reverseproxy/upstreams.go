package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/upstream"
)

// upstreams collects the -upstream flags. Each is an address and what nginx's server directive takes, separated by commas:
// 10.0.0.1:80,weight=5,max_fails=2,fail_timeout=30s,max_conns=100,slow_start=30s,priority=1,backup,down
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
	case "weight", "max_fails", "max_conns", "priority":
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("%s=%q: want a number", key, value)
		}
		return map[string]func(int) upstream.ServerOption{
			"weight": upstream.Weight, "max_fails": upstream.MaxFails, "max_conns": upstream.MaxConns, "priority": upstream.Priority,
		}[key](n), nil
	case "fail_timeout", "slow_start":
		d, err := time.ParseDuration(value)
		if err != nil {
			return nil, fmt.Errorf("%s=%q: want a duration such as 10s", key, value)
		}
		if key == "slow_start" {
			return upstream.SlowStart(d), nil
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
	return nil, fmt.Errorf("unknown parameter %q: want weight=N, max_fails=N, fail_timeout=D, max_conns=N, slow_start=D, priority=N, backup or down", word)
}

// balancers are the values of -balance.
var balancers = []struct {
	name string
	is   upstream.Balancer
}{
	{"rr", upstream.RoundRobin()},
	{"least_conn", upstream.LeastConn()},
	{"ip_hash", upstream.IPHash()},
	{"hash", upstream.Hash()},
	{"hash_consistent", upstream.HashConsistent()},
	{"maglev", upstream.Maglev()},
	{"bounded", upstream.BoundedLoad(upstream.HashConsistent(), 1.25)},
	{"random", upstream.Random()},
	{"random_two", upstream.RandomTwo()},
	{"least_time", upstream.LeastTime()},
	{"fair", upstream.Fair()},
	{"first", upstream.First()},
}

// balancer turns the -balance flag into one of the balancers.
func balancer(name string) (upstream.Balancer, error) {
	for _, b := range balancers {
		if b.name == name {
			return b.is, nil
		}
	}
	return upstream.Balancer{}, fmt.Errorf("-balance %q: want one of %s", name, balancerNames())
}

func balancerNames() string {
	var names []string
	for _, b := range balancers {
		names = append(names, b.name)
	}
	return strings.Join(names, ", ")
}
