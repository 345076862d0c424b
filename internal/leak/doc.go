// Package leak fails a test binary, or one test, that leaves goroutines or
// file descriptors behind.
//
// A package that starts goroutines ends with
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// What existed before the tests is not counted, nor are the goroutines of the
// runtime and of package testing. Descriptors are compared on Linux, where
// /proc/self/fd lists them: sockets, pipes, namespaces and anonymous inodes
// (epoll, eventfd, timerfd, pidfd). Named files are not compared, since the
// testing package itself holds some.
//
// What is left over gets a grace of about two seconds, because a goroutine
// whose join has returned may still be on its last instructions. The grace
// costs nothing when nothing is left over.
package leak
