package leak

import "testing"

func TestParse(t *testing.T) {
	const dump = `goroutine 1 [running]:
leak.goroutines()
	/src/goroutine.go:20 +0x1

goroutine 7 [chan receive, 2 minutes]:
proxy.(*Server).loop(0x1)
	/src/server.go:7 +0x2
created by proxy.(*Server).Serve in goroutine 6
	/src/server.go:3 +0x3

goroutine 8 [select (durable), synctest bubble 3]:
testing.(*T).Parallel(0x1)
	/src/testing.go:1 +0x2
created by testing.(*T).Run in goroutine 1
	/src/testing.go:2 +0x3

goroutine 9 [syscall]:
os/signal.signal_recv()
	/src/sigqueue.go:1 +0x1
os/signal.loop()
	/src/signal.go:1 +0x1
created by os/signal.Notify.func1.1 in goroutine 1
	/src/signal.go:2 +0x1

goroutine 10 [select, locked to thread]:
main.f()
	/src/main.go:1 +0x1
`
	type row struct {
		id, creator string
		ours        bool
	}
	want := []row{
		{"7", "proxy.(*Server).Serve", false},
		{"8", "testing.(*T).Run", true},
		{"9", "os/signal.Notify.func1.1", true},
		{"10", "", false},
	}
	all := parse(dump)
	if len(all) != len(want) {
		t.Fatalf("parse() found %d goroutines, want %d without the first", len(all), len(want))
	}
	for i, g := range all {
		if got := (row{g.id, g.creator, g.ours()}); got != want[i] {
			t.Errorf("goroutine %d: %+v, want %+v", i, got, want[i])
		}
	}
}
