package need

import "testing"

// Namespace runs the calling test, and no other, in a user namespace and a
// network namespace of its own: root there, with nothing but a loopback
// interface, which is up. Call it first:
//
//	func TestRaw(t *testing.T) {
//		if !need.Namespace(t) {
//			return
//		}
//		...
//
// It starts the test binary once more, with the same test selected. There it
// returns true. In the original it logs what the copy prints, returns false
// when the copy passed, and fails or skips t when the copy did. It works in
// subtests too; the body of the tests around them then runs twice.
//
// No privilege is needed where the kernel lets anybody make user namespaces.
// Elsewhere root makes the network namespace alone. Where the kernel refuses
// both, and on systems other than Linux, the test is skipped with the errno, or
// fails under MAINSTAY_TEST=all.
func Namespace(t *testing.T) (inside bool) {
	t.Helper()
	return namespace(t, 1)
}

// NamespaceAgain is [Namespace] for a test that plays with other programs in real
// time: where the machine takes the CPU away for longer than their timers allow,
// they do what they must, and not what the test waits for. A copy that fails is
// logged and started again, tries times in all; the test fails when all have.
func NamespaceAgain(t *testing.T, tries int) (inside bool) {
	t.Helper()
	return namespace(t, tries)
}
