package leak_test

import (
	"fmt"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
)

// What a package that starts goroutines has in one of its test files; and a
// single test that is held to the same.
func Example() {
	testMain := func(m *testing.M) { leak.Main(m) }
	testOne := func(t *testing.T) {
		leak.Check(t)
		// start, use and stop something
	}
	fmt.Printf("%T %T\n", testMain, testOne)
	// Output: func(*testing.M) func(*testing.T)
}
