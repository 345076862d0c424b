// Package rtnltest makes links and addresses in the network namespace of a
// test, as somebody else on the host would.
package rtnltest
