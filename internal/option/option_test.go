package option

import "testing"

type config struct{ n int }

type setting func(*config)

func add(n int) setting { return func(c *config) { c.n = c.n*10 + n } }

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []setting
		n    int
		err  string
	}{
		{"none", nil, 0, ""},
		{"in order", []setting{add(1), add(2)}, 12, ""},
		{"nil ones are named", []setting{nil, add(3), nil}, 3, "option 1 is nil\noption 3 is nil"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got config
			err := Apply(&got, c.opts)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != c.err {
				t.Errorf("Apply() = %q, want %q", text, c.err)
			}
			if got.n != c.n {
				t.Errorf("n = %d, want %d", got.n, c.n)
			}
		})
	}
}
