package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// family is one metric with the values of all routers: the text format wants them together.
type family struct {
	name string
	kind byte
	rows []string
}

// families collects metrics in the order in which their names come.
type families struct {
	list  []*family
	index map[string]*family
}

// add takes one value, as a Collect method emits it.
func (f *families) add(name string, kind byte, value float64, labels ...string) {
	fam := f.index[name]
	if fam == nil {
		fam = &family{name: name, kind: kind}
		f.list, f.index[name] = append(f.list, fam), fam
	}
	var row strings.Builder
	row.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		row.WriteByte("{,"[min(i, 1)])
		row.WriteString(labels[i] + `="` + escapes.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 1 {
		row.WriteByte('}')
	}
	fam.rows = append(fam.rows, row.String()+" "+strconv.FormatFloat(value, 'g', -1, 64))
}

// escapes are those of a label's value.
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// WriteTo writes the text format.
func (f *families) WriteTo(w io.Writer) (n int64, err error) {
	var b strings.Builder
	for _, fam := range f.list {
		kind := "gauge"
		if fam.kind == 'c' {
			kind = "counter"
		}
		fmt.Fprintf(&b, "# TYPE %s %s\n%s\n", fam.name, kind, strings.Join(fam.rows, "\n"))
	}
	m, err := io.WriteString(w, b.String())
	return int64(m), err
}

// metrics answers with the figures of every router; iface and name come after the labels of the package.
func (d *daemon) metrics(w http.ResponseWriter, _ *http.Request) {
	f := families{index: map[string]*family{}}
	for _, l := range d.list() {
		l.router.Collect(func(name string, kind byte, value float64, labels ...string) {
			f.add(name, kind, value, slices.Concat(labels, []string{"iface", l.iface, "name", l.name})...)
		})
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = f.WriteTo(w) // a client that left needs no answer
}
