package http1

import "encoding/binary"

var names = [numIDs]string{
	Host:                    "host",
	Connection:              "connection",
	ContentLength:           "content-length",
	TransferEncoding:        "transfer-encoding",
	Expect:                  "expect",
	Upgrade:                 "upgrade",
	TE:                      "te",
	Trailer:                 "trailer",
	KeepAlive:               "keep-alive",
	ProxyConnection:         "proxy-connection",
	ProxyAuthenticate:       "proxy-authenticate",
	ProxyAuthenticationInfo: "proxy-authentication-info",
	ProxyAuthorization:      "proxy-authorization",
	HTTP2Settings:           "http2-settings",
	XForwardedFor:           "x-forwarded-for",
	XForwardedProto:         "x-forwarded-proto",
	XForwardedHost:          "x-forwarded-host",
	XForwardedPort:          "x-forwarded-port",
	XForwardedServer:        "x-forwarded-server",
	XForwardedPrefix:        "x-forwarded-prefix",
	Forwarded:               "forwarded",
	XRealIP:                 "x-real-ip",
	Via:                     "via",
	Date:                    "date",
	Server:                  "server",
	Authorization:           "authorization",
	Cookie:                  "cookie",
	SetCookie:               "set-cookie",
	CacheControl:            "cache-control",
	ContentType:             "content-type",
	ContentEncoding:         "content-encoding",
	ContentRange:            "content-range",
	Location:                "location",
	RetryAfter:              "retry-after",
	WWWAuthenticate:         "www-authenticate",
	UserAgent:               "user-agent",
	Accept:                  "accept",
	AcceptEncoding:          "accept-encoding",
	AcceptLanguage:          "accept-language",
	Origin:                  "origin",
	Referer:                 "referer",
	Range:                   "range",
	IfNoneMatch:             "if-none-match",
	IfModifiedSince:         "if-modified-since",
	ETag:                    "etag",
	LastModified:            "last-modified",
	Vary:                    "vary",
	Age:                     "age",
	Expires:                 "expires",
	Pragma:                  "pragma",
	AltSvc:                  "alt-svc",
	Allow:                   "allow",
	IdempotencyKey:          "idempotency-key",
}

// hopFields are hop-by-hop whether Connection names them or not. RFC 9110 section 7.6.1 asks intermediaries to
// remove them; HTTP2-Settings (RFC 7540 section 3.2.1) must never reach a backend.
var hopFields = SetOf(Connection, TransferEncoding, Upgrade, TE, Trailer, KeepAlive, ProxyConnection,
	ProxyAuthenticate, ProxyAuthenticationInfo, ProxyAuthorization, HTTP2Settings)

// known is a name prepared for comparison.
type known struct {
	head, tail uint64 // its first and last bytes as ends returns them
	name       string
	id         ID
}

// byLength holds the known names by their length.
var byLength = func() (t [26][]known) {
	for id := Other + 1; id < numIDs; id++ {
		name := names[id]
		head, tail := ends([]byte(name))
		t[len(name)] = append(t[len(name)], known{head, tail, name, id})
	}
	return t
}()

// ends returns the first and the last eight bytes of a name of at least two, fewer if it is shorter, letters in lower case.
// Together they hold every byte of a name of up to sixteen.
func ends(b []byte) (head, tail uint64) {
	n := len(b)
	switch {
	case n >= 8:
		return binary.LittleEndian.Uint64(b) | 0x20*ones, binary.LittleEndian.Uint64(b[n-8:]) | 0x20*ones
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | 0x20*ones, uint64(binary.LittleEndian.Uint32(b[n-4:])) | 0x20*ones
	default:
		return uint64(binary.LittleEndian.Uint16(b)) | 0x20*ones, uint64(binary.LittleEndian.Uint16(b[n-2:])) | 0x20*ones
	}
}

// Lookup returns the ID of a field name, in any case. The name must be a token.
func Lookup(name []byte) ID {
	n := len(name)
	if n < 2 || n >= len(byLength) {
		return Other
	}
	list := byLength[n]
	if len(list) == 0 {
		return Other
	}
	head, tail := ends(name)
	for i := range list {
		k := &list[i]
		if k.head == head && k.tail == tail && (n <= 16 || fold(name, k.name)) {
			return k.id
		}
	}
	return Other
}
