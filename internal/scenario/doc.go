// Package scenario runs tests that are written as scripts: what happens, and
// what comes out, in text that reads like a log.
//
// A script is a list of blocks, each a command with words and an optional body,
// a line of four dashes, and the expected output up to a blank line or the end
// of the file:
//
//	# A comment, as is every line before a command that starts with #.
//	advert from=192.0.2.1 prio=200
//	----
//	state: Backup
//
//	config note="two words"
//	first line of the body
//	second line of the body
//	----
//	ok
//
// Words are separated by spaces; a part in double quotes is a Go string and may
// hold spaces. In bodies and outputs every line counts, # and blank lines
// included, except that a blank line ends an output. An output that has blank
// lines of its own stands between doubled dashes:
//
//	dump
//	----
//	----
//	a
//
//	b
//	----
//	----
//
// An output cannot hold doubled dashes, nor a carriage return at the end of a
// line: quote such output.
//
// With the flag -update, which the package adds to every test binary that
// imports it, the outputs in the files are replaced by what came out. Read the
// difference before keeping it.
package scenario
