// Package option applies functional options.
package option

import (
	"errors"
	"fmt"
)

// Apply gives c to every option, in order. A nil option is left out; the error names the place of each, from 1.
func Apply[C any, O ~func(*C)](c *C, opts []O) error {
	var errs []error
	for i, o := range opts {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i+1))
			continue
		}
		o(c)
	}
	return errors.Join(errs...)
}
