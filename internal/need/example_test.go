package need_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// A test that owns a whole network, and one that needs a program.
func Example() {
	testRaw := func(t *testing.T) {
		if !need.Namespace(t) {
			return
		}
		c, err := net.ListenIP("ip4:112", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	testPeer := func(t *testing.T) {
		need.Program(t, "keepalived")
	}
	fmt.Printf("%T %T\n", testRaw, testPeer)
	// Output: func(*testing.T) func(*testing.T)
}
