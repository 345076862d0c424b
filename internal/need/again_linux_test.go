package need

import (
	"errors"
	"testing"
)

func TestAgain(t *testing.T) {
	failed := errors.New("failed")
	for _, c := range []struct {
		name     string
		tries    int
		failures int
		calls    int
		want     error
	}{
		{"at once", 3, 0, 1, nil},
		{"the last one", 3, 2, 3, nil},
		{"never", 3, 3, 3, failed},
		{"one try", 1, 1, 1, failed},
	} {
		calls := 0
		_, err := again(t, c.tries, func() (bool, error) {
			if calls++; calls <= c.failures {
				return false, failed
			}
			return false, nil
		})
		if err != c.want || calls != c.calls {
			t.Errorf("%s: %v after %d calls, want %v after %d", c.name, err, calls, c.want, c.calls)
		}
	}
}
