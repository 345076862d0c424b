package hostile

import "strings"

func ok(fields string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" }

func okChunks(body string) string { return ok("Transfer-Encoding: chunked\r\n") + body }

// Responses of a backend, to a GET; the client gets 502, or, if the fault is in the body, a cut connection.
var Responses = []Case{
	// The status line.
	{"no status line", "hello\r\n\r\n", 502, false},
	{"no status line at all", "<html>hello</html>", 502, false},
	{"HTTP/0.9 body", "<html>\r\n<body>\r\n\r\n", 502, false},
	{"empty line first", "\r\n" + ok("Content-Length: 0\r\n"), 502, false},
	{"space first", " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"version in lower case", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"version 0.9", "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"version 1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"version 2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"version without minor", "HTTP/1 200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"other protocol", "ICY 200 OK\r\n\r\n", 502, false},
	{"two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"tab before the status", "HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"no status", "HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status with sign", "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status with letters", "HTTP/1.1 2xx OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status 000", "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status 099", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status 600", "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"status 999", "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"NUL in the reason", "HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"bare CR in the reason", "HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n", 502, false},
	{"bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", 502, false},

	// Lengths and codings.
	{"length and coding", ok("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + nextAnswer, 502, false},
	{"coding and length", ok("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n", 502, false},
	{"length twice, equal", ok("Content-Length: 2\r\nContent-Length: 2\r\n") + "ok", 502, false},
	{"length twice, different", ok("Content-Length: 2\r\nContent-Length: 0\r\n") + "ok", 502, false},
	{"length list", ok("Content-Length: 2, 2\r\n") + "ok", 502, false},
	{"length empty", ok("Content-Length:\r\n") + "ok", 502, false},
	{"length negative", ok("Content-Length: -1\r\n") + "ok", 502, false},
	{"length with plus", ok("Content-Length: +2\r\n") + "ok", 502, false},
	{"length with letters", ok("Content-Length: two\r\n") + "ok", 502, false},
	{"length hexadecimal", ok("Content-Length: 0x2\r\n") + "ok", 502, false},
	{"length 2^63", ok("Content-Length: 9223372036854775808\r\n") + "ok", 502, false},
	{"length 2^64+2", ok("Content-Length: 18446744073709551618\r\n") + "ok" + nextAnswer, 502, false},
	{"coding with prefix", ok("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", 502, false},
	{"coding identity", ok("Transfer-Encoding: identity\r\n") + "ok", 502, false},
	{"coding empty", ok("Transfer-Encoding:\r\n") + "ok", 502, false},
	{"coding gzip", ok("Transfer-Encoding: gzip\r\n") + "ok", 502, false},
	{"coding after gzip", ok("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n", 502, false},
	{"coding not last", ok("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n", 502, false},
	{"coding twice", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 502, false},
	{"coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, false},

	// Fields.
	{"bare LF after a field", ok("X: y\nContent-Length: 0\r\n"), 502, false},
	{"bare LF for the blank line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", 502, false},
	{"bare CR in a value", ok("X: a\rSet-Cookie: b\r\nContent-Length: 0\r\n"), 502, false},
	{"NUL in a value", ok("X: a\x00b\r\nContent-Length: 0\r\n"), 502, false},
	{"escape in a value", ok("X: \x1b[31m\r\nContent-Length: 0\r\n"), 502, false},
	{"fold", ok("X: a\r\n b\r\nContent-Length: 0\r\n"), 502, false},
	{"fold of the length", ok("Content-Length:\r\n 0\r\n"), 502, false},
	{"space before the colon", ok("Content-Length : 0\r\n"), 502, false},
	{"empty name", ok(": a\r\nContent-Length: 0\r\n"), 502, false},
	{"no colon", ok("X\r\nContent-Length: 0\r\n"), 502, false},
	{"NUL in a name", ok("X\x00: a\r\nContent-Length: 0\r\n"), 502, false},
	{"malformed Connection", ok("Connection: \"close\"\r\nContent-Length: 0\r\n"), 502, false},
	{"too many fields", ok(strings.Repeat("a: b\r\n", 2000) + "Content-Length: 0\r\n"), 502, false},
	{"field too large", ok("X: " + strings.Repeat("a", 128<<10) + "\r\nContent-Length: 0\r\n"), 502, false},

	// Interim answers.
	{"interim in HTTP/1.0", "HTTP/1.0 100 Continue\r\n\r\n" + ok("Content-Length: 0\r\n"), 502, false},
	{"switch nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + nextAnswer, 502, false},
	{"interim without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 1000), 502, false},
	{"interim as the last answer", "HTTP/1.1 100 Continue\r\n\r\n", 502, false},
	{"cut head", "HTTP/1.1 200 OK\r\nContent-Le", 502, false},
	{"nothing", "", 502, false},

	// Bodies. They end with the connection.
	{"body short of its length", ok("Content-Length: 100\r\n") + "short", 502, true},
	{"chunk cut", okChunks("a\r\nshort"), 502, true},
	{"chunks without last", okChunks("2\r\nok\r\n"), 502, true},
	{"chunks without blank line", okChunks("2\r\nok\r\n0\r\n"), 502, true},
	{"chunk size not hexadecimal", okChunks("2\r\nok\r\nz\r\n"), 502, true},
	{"chunk size with 0x", okChunks("0x2\r\nok\r\n0\r\n\r\n"), 502, true},
	{"chunk size 2^64+2", okChunks("10000000000000002\r\nok\r\n0\r\n\r\n"), 502, true},
	{"chunk size with space", okChunks("2 \r\nok\r\n0\r\n\r\n"), 502, true},
	{"chunk line with bare LF", okChunks("2\nok\r\n0\r\n\r\n"), 502, true},
	{"chunk longer than its size", okChunks("2\r\nokay\r\n0\r\n\r\n"), 502, true},
	{"chunk extension too long", okChunks("2;" + strings.Repeat("a", 1024) + "\r\nok\r\n0\r\n\r\n"), 502, true},
	{"trailer with bare LF", okChunks("2\r\nok\r\n0\r\nX: y\n\r\n"), 502, true},
	{"trailer without colon", okChunks("2\r\nok\r\n0\r\nX\r\n\r\n"), 502, true},
	{"too many trailers", okChunks("2\r\nok\r\n0\r\n" + strings.Repeat("a: b\r\n", 2000) + "\r\n"), 502, true},
}
