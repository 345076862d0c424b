package notify_test

import (
	"fmt"
	"sync"

	"github.com/mainstay-ha/mainstay/internal/notify"
)

type change struct {
	ID string
	Up bool
}

func Example() {
	q := notify.New(
		func(c change) string { return c.ID },
		func(c change) { fmt.Println(c.ID, c.Up) },
	)
	var wg sync.WaitGroup
	wg.Go(q.Run)
	q.Push(change{"10.0.0.1:80", false})
	q.Push(change{"10.0.0.1:80", true})
	q.Close()
	wg.Wait()
	// Output:
	// 10.0.0.1:80 false
	// 10.0.0.1:80 true
}
