package proxy_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy"
)

func itoa(n int) string { return strconv.Itoa(n) }

func hex(n int) string { return strconv.FormatInt(int64(n), 16) }

func sortedKeys(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }

// text makes n bytes that do not repeat, at most 20 MiB.
func text(n int) string { return noise()[:n] }

var noise = sync.OnceValue(func() string {
	rng := rand.New(rand.NewPCG(1, 7))
	b := make([]byte, 20<<20)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return string(b)
})

// sum is a checksum in a form that reads well in failures.
func sum[T ~string | ~[]byte](b T) string {
	s := sha256.Sum256([]byte(b))
	return fmt.Sprintf("%d bytes %x", len(b), s[:6])
}

// journal keeps the records of the access log.
type journal struct{ records chan proxy.Record }

func newJournal() *journal { return &journal{make(chan proxy.Record, 4096)} }

func (j *journal) write(r *proxy.Record) {
	c := *r
	c.Attempts = slices.Clone(r.Attempts)
	j.records <- c
}

// next waits for the next record.
func (j *journal) next(t *testing.T, w *world) proxy.Record {
	t.Helper()
	return receive(t, w, "a record", j.records)
}
