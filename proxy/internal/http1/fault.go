package http1

// A fault is a reason to refuse a message, or one of the first two values.
type fault uint8

const (
	fine fault = iota
	short
	faultEmptyLine
	faultBareLF
	faultBareCR
	faultControl
	faultFold
	faultFieldName
	faultNameSpace
	faultFields
	faultHead
	faultLine
	faultMethod
	faultMethodLong
	faultConnect
	faultTargetLong
	faultTargetByte
	faultTargetForm
	faultPercent
	faultBackslash
	faultProtocol
	faultVersion
	faultNoHost
	faultManyHosts
	faultHost
	faultHostDiffers
	faultConnection
	faultLength
	faultManyLengths
	faultLengthAndCoding
	faultManyCodings
	faultCoding
	faultCodingOrder
	faultCodingOld
	faultExpect
	faultStatusLine
	faultStatus
	faultInterimOld
	numFaults
)

var faultTable = [numFaults]struct {
	status int
	reason string
}{
	faultEmptyLine:       {400, "empty line before the message"},
	faultBareLF:          {400, "line ends in a bare LF"},
	faultBareCR:          {400, "bare CR"},
	faultControl:         {400, "control byte in a field value"},
	faultFold:            {400, "line starts with white space"},
	faultFieldName:       {400, "invalid byte in a field name"},
	faultNameSpace:       {400, "white space before the colon"},
	faultFields:          {431, "too many fields"},
	faultHead:            {431, "head too large"},
	faultLine:            {400, "malformed request line"},
	faultMethod:          {400, "invalid byte in the method"},
	faultMethodLong:      {501, "method too long"},
	faultConnect:         {501, "CONNECT is not served"},
	faultTargetLong:      {414, "request target too long"},
	faultTargetByte:      {400, "invalid byte in the request target"},
	faultTargetForm:      {400, "request target in no form that fits the method"},
	faultPercent:         {400, "invalid percent-encoding in the request target"},
	faultBackslash:       {400, "backslash in the path"},
	faultProtocol:        {400, "malformed protocol version"},
	faultVersion:         {505, "protocol version not supported"},
	faultNoHost:          {400, "no Host"},
	faultManyHosts:       {400, "more than one Host"},
	faultHost:            {400, "invalid Host"},
	faultHostDiffers:     {400, "request target and Host differ"},
	faultConnection:      {400, "malformed Connection"},
	faultLength:          {400, "invalid Content-Length"},
	faultManyLengths:     {400, "more than one Content-Length"},
	faultLengthAndCoding: {400, "both Content-Length and Transfer-Encoding"},
	faultManyCodings:     {400, "more than one Transfer-Encoding"},
	faultCoding:          {501, "transfer coding not supported"},
	faultCodingOrder:     {400, "chunked is not the last and only transfer coding"},
	faultCodingOld:       {400, "Transfer-Encoding in HTTP/1.0"},
	faultExpect:          {417, "expectation not supported"},
	faultStatusLine:      {502, "malformed status line"},
	faultStatus:          {502, "status out of range"},
	faultInterimOld:      {502, "interim response in HTTP/1.0"},
}

// The errors of both directions, made once so that a refusal allocates nothing.
var requestErrors, responseErrors = func() (req, resp [numFaults]*Error) {
	for f, e := range faultTable {
		req[f] = &Error{Status: e.status, Reason: e.reason}
		resp[f] = &Error{Status: 502, Reason: e.reason}
	}
	return req, resp
}()
