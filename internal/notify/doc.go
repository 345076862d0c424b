// Package notify delivers events to a callback in order, off the goroutine
// that noticed them and outside every lock.
//
// The owner makes a [Queue], pushes from wherever events arise, and runs
// [Queue.Run] in one goroutine of its own, which is the only one that ever
// calls the callback:
//
//	q := notify.New(func(e Event) string { return e.ID }, onChange)
//	wg.Go(q.Run)
//	...
//	q.Push(e)
//	...
//	q.Close() // what is queued is still delivered
//	wg.Wait()
//
// A callback that is slower than the events loses none of the first [Limit]
// that wait. Past that, an event replaces the one of its subject that waits
// past the limit too, and goes to the end. So what is delivered is always a
// subsequence of what was pushed, in the order of the pushes, and it ends with
// the latest event of every subject. At most Limit events plus one for each
// subject wait.
package notify
