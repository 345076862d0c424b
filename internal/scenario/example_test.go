package scenario_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/scenario"
)

// A test that plays every script of testdata against a counter of its own.
func ExampleRun() {
	test := func(t *testing.T) {
		scenario.Run(t, "testdata/*.txt", func(t *testing.T) func(*testing.T, *scenario.Cmd) string {
			total := 0
			return func(t *testing.T, c *scenario.Cmd) string {
				switch c.Name {
				case "add":
					by, _ := c.Arg("by")
					n, err := strconv.Atoi(by)
					if err != nil {
						t.Fatalf("%s: %v", c.Pos, err)
					}
					total += n
					return strconv.Itoa(total)
				}
				t.Fatalf("%s: unknown command %s", c.Pos, c.Name)
				return ""
			}
		})
	}
	fmt.Printf("%T\n", test)
	// Output: func(*testing.T)
}
