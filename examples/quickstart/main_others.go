//go:build !unix

// Command quickstart needs inherited descriptors and process groups, which this system does not have.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "quickstart: children that inherit a listener: %v on %s\n", errors.ErrUnsupported, runtime.GOOS)
	os.Exit(1)
}
