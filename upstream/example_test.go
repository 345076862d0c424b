package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/upstream"
)

// Smooth weighted round robin spreads the heavy peer's turns out.
func Example() {
	pool, err := upstream.New(
		upstream.WithName("web"),
		upstream.WithServer("192.0.2.1:80", upstream.ID("a"), upstream.Weight(5)),
		upstream.WithServer("192.0.2.2:80", upstream.ID("b")),
		upstream.WithServer("192.0.2.3:80", upstream.ID("c")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	var sequence []string
	for range 7 {
		var r upstream.Request
		lease, err := pool.TryPick(pool.Now(), &r)
		if err != nil {
			fmt.Println(err)
			return
		}
		sequence = append(sequence, lease.Backend().ID())
		lease.Done(pool.Now(), upstream.Success)
	}
	fmt.Println(strings.Join(sequence, " "))
	// Output: a a b a c a a
}

// A request that fails goes to the next peer, and to the backup when no
// primary is left.
func ExamplePool_TryPick() {
	pool, err := upstream.New(
		upstream.WithServer("192.0.2.1:80", upstream.ID("a")),
		upstream.WithServer("192.0.2.2:80", upstream.ID("b")),
		upstream.WithServer("192.0.2.3:80", upstream.ID("spare"), upstream.Backup()),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	send := func(b *upstream.Backend) error {
		if b.ID() == "spare" {
			return nil
		}
		return errors.New("connection refused")
	}

	var r upstream.Request
	for r.Tries() < pool.Peers() {
		lease, err := pool.TryPick(pool.Now(), &r)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := send(lease.Backend()); err != nil {
			fmt.Println(lease.Backend().ID(), err)
			r.Cause = err
			lease.Done(pool.Now(), upstream.Failure)
			continue
		}
		fmt.Println(lease.Backend().ID(), "ok")
		lease.Done(pool.Now(), upstream.Success)
		break
	}
	for _, b := range pool.Snapshot().Backends {
		fmt.Println(b.ID, b.State, b.LastError)
	}
	// Output:
	// a connection refused
	// b connection refused
	// spare ok
	// a unavailable connection refused
	// b unavailable connection refused
	// spare up
}

// With a queue, Pick waits for a peer that is merely busy.
func ExamplePool_Pick() {
	pool, err := upstream.New(
		upstream.WithServer("192.0.2.1:80", upstream.ID("a"), upstream.MaxConns(1)),
		upstream.WithQueue(100, 5*time.Second),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	var first, second upstream.Request
	lease, err := pool.Pick(context.Background(), &first)
	if err != nil {
		fmt.Println(err)
		return
	}
	go lease.Done(pool.Now(), upstream.Success)

	next, err := pool.Pick(context.Background(), &second)
	switch {
	case err == nil:
		fmt.Println(next.Backend().ID())
		next.Done(pool.Now(), upstream.Success)
	case errors.Is(err, upstream.ErrBusy): // also ErrQueueFull and ErrQueueTimeout
		fmt.Println(503)
	default:
		fmt.Println(502)
	}
	// Output: a
}

// A health checker is wired with one line; its events name the backend by the
// same id.
func ExamplePool_SetHealth() {
	pool, err := upstream.New(
		upstream.WithServer("192.0.2.1:80", upstream.ID("a")),
		upstream.WithServer("192.0.2.2:80", upstream.ID("b")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	type event struct {
		ID  string
		Up  bool
		Err error
	}
	onChange := func(e event) { pool.SetHealth(e.ID, "http", e.Up, e.Err) }

	onChange(event{ID: "a", Up: false, Err: errors.New("status 500")})
	for _, b := range pool.Snapshot().Backends {
		fmt.Println(b.ID, b.State)
	}
	fmt.Println(pool.SetHealth("c", "http", true, nil))
	// Output:
	// a unhealthy
	// b up
	// upstream: unknown backend: group "default": id "c"
}

// hosts is a resolver of fixed answers.
type hosts map[string][]string

func (h hosts) Lookup(_ context.Context, name string, kind upstream.RecordKind) ([]upstream.Record, time.Duration, error) {
	var records []upstream.Record
	for _, a := range h[name] {
		if addr := netip.MustParseAddr(a); addr.Is4() == (kind == upstream.RecordA) {
			records = append(records, upstream.Record{Addr: addr})
		}
	}
	if records == nil {
		return nil, time.Minute, upstream.ErrNoRecords
	}
	return records, time.Minute, nil
}

// A name becomes as many peers as it has addresses, found while Run runs.
func ExamplePool_Run() {
	pool, err := upstream.New(
		upstream.WithResolver(hosts{"web.example": {"192.0.2.1", "192.0.2.2", "2001:db8::1"}}),
		upstream.WithServer("web.example:80", upstream.Resolve(), upstream.Weight(2)),
		upstream.WithServer("192.0.2.9:80", upstream.Priority(1)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	var role sync.WaitGroup
	role.Go(func() {
		if err := pool.Run(ctx); err != nil {
			fmt.Println(err)
		}
	})
	starting, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := pool.Resolved(starting); err != nil {
		fmt.Println(err) // go on without, or give up as nginx does
	}
	for _, b := range pool.Snapshot().Backends {
		fmt.Println(b.ID, b.Weight, b.Priority)
	}
	stop()
	role.Wait()
	// Output:
	// web.example/192.0.2.1:80 2 0
	// web.example/192.0.2.2:80 2 0
	// web.example/[2001:db8::1]:80 2 0
	// 192.0.2.9:80 1 1
}
