package proxy_test

import (
	"crypto/sha256"
	"hash"
	"io"
	"net/http"
	"runtime"
	"runtime/metrics"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
	"github.com/mainstay-ha/mainstay/proxy"
)

// meter makes a stream of a given length and keeps the sum of what it gave, and the largest heap on the way.
type meter struct {
	left  int64
	next  byte
	sum   hash.Hash
	heap  uint64
	every int64 // bytes to the next look at the heap
}

func newMeter(n int64) *meter { return &meter{left: n, sum: sha256.New()} }

func (m *meter) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), m.left)]
	for i := range p {
		m.next = m.next*31 + 7
		p[i] = m.next
	}
	m.sum.Write(p)
	m.left -= int64(len(p))
	if m.every -= int64(len(p)); m.every <= 0 {
		m.every = 1 << 20
		m.heap = max(m.heap, heapBytes())
	}
	return len(p), nil
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestSuiteMemoryFlat sends 128 MiB up and the same down again, chunked both ways: what arrives is what was sent, and
// the heap of client, proxy and backend together stays far below the size of the body.
func TestSuiteMemoryFlat(t *testing.T) {
	const size, room = 128 << 20, 24 << 20
	if race.Enabled {
		t.Skip("the race detector's own memory is in the way")
	}
	through(t, func(d door) bool { return !d.memory }, func(t *testing.T, w *world) {
		ln := w.listen()
		echo := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(rw).EnableFullDuplex(); err != nil {
				t.Error(err)
			}
			rw.WriteHeader(http.StatusOK)
			if _, err := io.Copy(rw, r.Body); err != nil {
				t.Error(err)
			}
		})}
		w.later(echo)
		w.wg.Go(func() { _ = echo.Serve(ln) })
		w.start(proxy.WithPool(w.pool(ln.Addr().String())), proxy.WithMaxBody(0))

		transport := &http.Transport{DisableCompression: true}
		defer transport.CloseIdleConnections()
		runtime.GC()
		before := heapBytes()
		up := newMeter(size)
		answer, err := (&http.Client{Transport: transport}).Post("http://"+w.addr+"/", "application/octet-stream", struct{ io.Reader }{up})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		down := sha256.New()
		n, err := io.Copy(down, answer.Body)
		if err != nil || n != size {
			t.Fatalf("%d of %d bytes came back: %v", n, size, err)
		}
		if got, want := down.Sum(nil), up.sum.Sum(nil); string(got) != string(want) {
			t.Errorf("the checksums differ: sent %x, received %x", want, got)
		}
		if up.heap > before+room {
			t.Errorf("the heap grew by %d MiB while %d MiB passed, want %d at most", (up.heap-before)>>20, size>>20, room>>20)
		}
		t.Logf("the heap grew by %d KiB", (int64(up.heap)-int64(before))>>10)
	})
}
