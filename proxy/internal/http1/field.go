package http1

// A Field is one header field. Name and Value alias the parsed buffer; the value has no white space around it.
// Their capacity reaches to the end of the buffer, so nobody may append to them.
type Field struct {
	Name, Value []byte
	ID          ID
	Hop         bool // hop-by-hop by RFC 9110 section 7.6.1, or named in Connection: not to be forwarded
	Plain       bool // written as "Name: Value\r\n" exactly, so that its line may be copied as it is
}

// An ID names a field the proxy knows. Names that are not listed are [Other].
type ID uint8

// The known fields.
const (
	Other ID = iota
	Host
	Connection
	ContentLength
	TransferEncoding
	Expect
	Upgrade
	TE
	Trailer
	KeepAlive
	ProxyConnection
	ProxyAuthenticate
	ProxyAuthenticationInfo
	ProxyAuthorization
	HTTP2Settings
	XForwardedFor
	XForwardedProto
	XForwardedHost
	XForwardedPort
	XForwardedServer
	XForwardedPrefix
	Forwarded
	XRealIP
	Via
	Date
	Server
	Authorization
	Cookie
	SetCookie
	CacheControl
	ContentType
	ContentEncoding
	ContentRange
	Location
	RetryAfter
	WWWAuthenticate
	UserAgent
	Accept
	AcceptEncoding
	AcceptLanguage
	Origin
	Referer
	Range
	IfNoneMatch
	IfModifiedSince
	ETag
	LastModified
	Vary
	Age
	Expires
	Pragma
	AltSvc
	Allow
	IdempotencyKey
	numIDs
)

// A Set is a set of IDs.
type Set uint64

// SetOf returns the set of ids.
func SetOf(ids ...ID) Set {
	var s Set
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

// Has reports whether id is in s.
func (s Set) Has(id ID) bool { return s>>id&1 != 0 }

// find returns the first field of fields with the given ID, nil without one.
func find(fields []Field, id ID) *Field {
	for i := range fields {
		if fields[i].ID == id {
			return &fields[i]
		}
	}
	return nil
}

// lookup returns the value of the first field of that name, in any case, and whether there is one.
func lookup(fields []Field, name string) ([]byte, bool) {
	for i := range fields {
		if f := &fields[i]; len(f.Name) == len(name) && equalName(f.Name, name) {
			return f.Value, true
		}
	}
	return nil, false
}

// equalName compares a name with one of the same length, in any case.
func equalName(name []byte, other string) bool {
	for i, c := range name {
		d := other[i]
		if c == d {
			continue
		}
		if c^d != 0x20 || c|0x20 < 'a' || 'z' < c|0x20 {
			return false
		}
	}
	return true
}
