// Package need says what a test needs beyond Go itself: a program, privilege
// over a network.
//
// Where it is missing, the test is skipped with the reason. Under
// MAINSTAY_TEST=all it fails instead: there, a test that did not run is a
// fault of the machine.
package need
