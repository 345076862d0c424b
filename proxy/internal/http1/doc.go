// Package http1 is the strict HTTP/1.1 parser and writer of the proxy engine.
//
// It parses request and response heads in place: every byte slice of a parsed message aliases the buffer that
// was given, nothing is copied, and nothing is allocated once a [Request] or [Response] has been used before.
// What RFC 9112 leaves to the recipient's taste is refused: a message whose framing two implementations could
// read differently ends in an [*Error] and is never guessed at.
//
// The package reads no socket, takes no lock and starts no goroutine. A [Request], a [Response] and a [Body]
// belong to one goroutine at a time; a [DateCache] may be shared.
//
// # What is refused
//
// Both directions, with 400 or 502: lines that end in anything but CRLF; control bytes in values; folded lines;
// field names that are not tokens, or have white space before the colon; a Content-Length that is not one field of
// 1 to 19 digits below 2^63; a Transfer-Encoding that is not one field of exactly "chunked", or stands beside a
// Content-Length, or in HTTP/1.0; a Connection that is not a list of tokens, or names more than 32 fields.
//
// Requests: anything but exactly one Host in HTTP/1.1, and a Host that is no RFC 3986 host with an optional port;
// an absolute-form target that names another host than Host does, or has a query but no path; a target with
// bytes outside printable ASCII, with '#', with a broken percent-encoding, with "%00" or a backslash in the path
// (what browsers leave unencoded, such as '|' and '^', passes); white space other than two single spaces in the
// request line; more than one empty line before it. CONNECT is a 501, as is a method of more than 32 bytes and a
// transfer coding before chunked; other versions are a 505, expectations other than 100-continue a 417. Methods
// are case-sensitive tokens and not looked at otherwise.
//
// Responses, with 502: a malformed status line (the space before an absent reason may be missing), a status outside
// 100 to 599, an interim answer in HTTP/1.0. Answers to HEAD and with 1xx, 204 or 304 have no body whatever their
// fields say; where a 1xx or 204 announces one, the connection is not kept.
//
// Bodies: chunk sizes of other than 1 to 16 hexadecimal digits, white space around them included; extensions beyond
// 256 bytes a chunk or, with little payload, 16 KiB in all; trailers beyond 64 fields or 8 KiB. Extensions and
// trailers are dropped.
//
// # What is removed
//
// [Field.Hop] marks the fields that end here: the hop-by-hop ones of RFC 9110 section 7.6.1, HTTP2-Settings, and what
// Connection names, except fields with an end-to-end meaning (every [ID] that is not hop-by-hop, and the
// X-Forwarded-, Content-, Cache-, If-, Access-Control- and Sec- families): RFC 9110 forbids to name those, and a
// client that could would switch off what a proxy in front has set.
package http1
