// Package debugdoor is the door the examples open for an operator: pprof, and every snapshot as one JSON document.
//
// It belongs on a loopback address only: profiles and snapshots tell a stranger too much.
package debugdoor

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/pprof"
)

// Handler serves the profiles under /debug/pprof/ and the document under /debug/snapshot; /debug/ links to both.
//
// Each function is called for each request, and its result appears under its name. Goroutines of the library carry the
// pprof label "mainstay" with the package's name, so /debug/pprof/goroutine?debug=1 tells whose they are.
func Handler(snapshots map[string]func() any) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<a href="pprof/">pprof</a> <a href="snapshot">snapshot</a>`+"\n")
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("/debug/snapshot", Snapshots(snapshots))
	return mux
}

// Snapshots serves the document alone, at any path.
func Snapshots(snapshots map[string]func() any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		document := make(map[string]any, len(snapshots))
		for name, snapshot := range snapshots {
			document[name] = snapshot()
		}
		b, err := json.MarshalIndent(document, "", "  ")
		if err != nil {
			http.Error(w, "encode the snapshots: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(b, '\n')) // a client that left needs no answer
	})
}
