package relay_test

import (
	"context"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pour sends n pseudorandom bytes in pieces of all sizes, ends the stream and returns the checksum.
func pour(c duplex, n int, seed uint64) (uint32, error) {
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	buf := make([]byte, 1<<20)
	rng.Read(buf)
	sum := uint32(0)
	for n > 0 {
		k := min(n, 1+int(rng.Uint64()%uint64(len(buf))))
		if rng.Uint64()%4 == 0 {
			k = min(n, 1+int(rng.Uint64()%2000))
		}
		at := int(rng.Uint64() % uint64(len(buf)-k+1))
		sum = crc32.Update(sum, castagnoli, buf[at:at+k])
		if _, err := c.Write(buf[at : at+k]); err != nil {
			return 0, err
		}
		n -= k
	}
	return sum, c.CloseWrite()
}

// drink reads to the end of the stream.
func drink(c net.Conn) (n int64, sum uint32, err error) {
	h := crc32.New(castagnoli)
	n, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{c}, make([]byte, 256<<10))
	return n, h.Sum32(), err
}

// exchange pours in both directions at once and checks what arrives.
func exchange(t testing.TB, client, server duplex, n int) {
	t.Helper()
	var wg sync.WaitGroup
	defer wg.Wait()
	for seed, way := range [...]struct {
		name     string
		from, to duplex
	}{{"up", client, server}, {"down", server, client}} {
		sums := make(chan uint32, 1)
		wg.Go(func() {
			defer close(sums)
			sum, err := pour(way.from, n, uint64(seed))
			if err != nil {
				t.Errorf("%s: %v", way.name, err)
			}
			sums <- sum
		})
		wg.Go(func() {
			got, sum, err := drink(way.to)
			if want := <-sums; err != nil || got != int64(n) || sum != want {
				t.Errorf("%s: %d bytes with checksum %x (%v), want %d with %x", way.name, got, sum, err, n, want)
			}
		})
	}
}

// TestBulk sends 64 MB in each direction at once. Where both sides have descriptors nearly all of that is spliced.
func TestBulk(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})
		size := 64 << 20
		if race.Enabled || w.bubble {
			size = 4 << 20
		}
		client, server := b.pair(accept)
		exchange(w.t, client, server, size)
		r := b.record()
		wantReason(w.t, r, relay.Finished)
		if r.In != uint64(size) || r.Out != uint64(size) {
			w.t.Errorf("record %+v, want %d bytes each way", r, size)
		}
		if c := b.svc.Snapshot().Counters; c.InBytes != uint64(size) || c.OutBytes != uint64(size) {
			w.t.Errorf("books %+v, want %d bytes each way", c, size)
		}
		s := b.relay.Snapshot()
		spliced := runtime.GOOS == "linux" && (w.t.Name() == "TestBulk/tcp" || w.t.Name() == "TestBulk/tcp/dialer")
		if least := uint64(size) * 2 * 3 / 4; spliced && s.SplicedBytes < least {
			w.t.Errorf("%d bytes of %d spliced, want at least %d", s.SplicedBytes, 2*size, least)
		} else if !spliced && s.SplicedBytes > 0 {
			w.t.Errorf("%d bytes spliced, want none", s.SplicedBytes)
		}
		if s.PipesOpen != s.PipesFree {
			w.t.Errorf("%d pipes open and %d of them free, though nothing is under way", s.PipesOpen, s.PipesFree)
		}
	})
}

// TestManyConnections runs connections at the same time, with one pipe for all of them.
func TestManyConnections(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr}, relay.WithMaxPipes(1))
		const conns, size = 30, 300 << 10
		var wg sync.WaitGroup
		for range conns {
			client, server := b.pair(accept)
			wg.Go(func() { exchange(w.t, client, server, size) })
		}
		wg.Wait()
		for range conns {
			wantReason(w.t, b.record(), relay.Finished)
		}
		if s := b.relay.Snapshot(); s.PipesOpen > 1 || s.PipesOpen != s.PipesFree {
			w.t.Errorf("relay %+v", s)
		}
		if c := b.svc.Snapshot().Counters; c.Total != 0 || c.Conns != conns || c.InBytes != conns*size || c.OutBytes != conns*size {
			w.t.Errorf("books %+v", c)
		}
	})
}

// echo answers what it gets until the connection ends, without allocating.
func echo(c net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// roundTrip sends b and waits until it comes back.
func roundTrip(c net.Conn, b []byte) error {
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

// TestRelayAllocs is a gate: once a connection is there, bytes go through without allocations.
func TestRelayAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("allocations are counted without the race detector")
	}
	hidden := func(ln net.Listener) net.Listener { return hidingListener{ln} }
	for _, tt := range []struct {
		name  string
		front func(net.Listener) net.Listener
	}{{"descriptors", plain}, {"hidden", hidden}} {
		t.Run(tt.name, func(t *testing.T) {
			w := tcpWorld(t)
			w.front = tt.front
			addr, accept := w.backend()
			client, server := w.relay([]string{addr}).pair(accept)
			go echo(server)
			for _, size := range []int{100, 64 << 10} {
				msg := make([]byte, size)
				check(t, roundTrip(client, msg))
				if n := testing.AllocsPerRun(10, func() {
					for range 1000 {
						if err := roundTrip(client, msg); err != nil {
							t.Fatal(err)
						}
					}
				}); n != 0 {
					t.Errorf("%v allocations in 1,000 round trips of %d bytes, want 0", n, size)
				}
			}
		})
	}
}

// TestSilentHoldsNoPipe: a connection that spliced a moment ago and says nothing now has no pipe any more.
func TestSilentHoldsNoPipe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("splice(2) is Linux's")
	}
	w := tcpWorld(t)
	addr, accept := w.backend()
	b := w.relay([]string{addr})
	client, server := b.pair(accept)
	go echo(server)
	// Written and read at the same time, since it is more than the path holds.
	go client.Write(make([]byte, 4<<20))
	check(t, discard(client, 4<<20))
	w.until(func() bool {
		s := b.relay.Snapshot()
		return s.PipesOpen > 0 && s.PipesOpen == s.PipesFree && s.SplicedBytes > 0
	})
}

// TestCutPipe: what was in the pipe of a connection that is cut never turns up in another one.
func TestCutPipe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("splice(2) is Linux's")
	}
	w := tcpWorld(t)
	addr, accept := w.backend()
	b := w.relay([]string{addr}, relay.WithMaxPipes(2))
	for range 3 {
		client, server := b.pair(accept)
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			server.Write(make([]byte, 64<<20)) // far more than anybody takes
		}()
		w.until(func() bool { s := b.relay.Snapshot(); return s.PipesOpen > s.PipesFree })
		client.SetLinger(0)
		client.Close()
		<-wrote
		wantReason(t, b.record(), relay.ClientLost)

		client, server = b.pair(accept)
		exchange(t, client, server, 4<<20)
		wantReason(t, b.record(), relay.Finished)
	}
}

// TestCloseUnderLoad closes a relay while clients come, talk and go. Nothing is left, in the books either.
func TestCloseUnderLoad(t *testing.T) {
	for _, how := range []struct {
		name string
		stop func(*relay.Relay) error
	}{
		{"close", (*relay.Relay).Close},
		{"shutdown", func(r *relay.Relay) error { return r.Shutdown(context.Background()) }},
	} {
		t.Run(how.name, func(t *testing.T) {
			w := tcpWorld(t)
			ln := w.listen("127.0.0.1:0")
			defer ln.Close()
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						echo(c)
					}()
				}
			}()
			b := w.relay([]string{w.nobody(), ln.Addr().String()}, relay.WithAccessLog(nil))
			done := make(chan struct{})
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					msg := make([]byte, 40<<10)
					for {
						select {
						case <-done:
							return
						default:
						}
						c, err := w.dial(b.addr)
						if err != nil {
							continue
						}
						roundTrip(c, msg)
						c.Close()
					}
				})
			}
			w.until(func() bool { return b.relay.Snapshot().Ended["finished"] > 200 })
			check(t, how.stop(b.relay))
			close(done)
			wg.Wait()
			s, c := b.relay.Snapshot(), b.svc.Snapshot().Counters
			var ended uint64
			for _, n := range s.Ended {
				ended += n
			}
			if s.Open != 0 || s.PipesOpen != 0 || ended != s.Accepted || c.Total != 0 || c.Active != 0 {
				t.Errorf("relay %+v, books %+v", s, c)
			}
		})
	}
}
