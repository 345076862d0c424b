// Package hostile holds requests and responses that the engine must refuse, as data for the tests of the parser
// and of the proxy. Every row is whole: nothing more has to be sent to see it refused.
package hostile

// A Case is one hostile message.
type Case struct {
	Name   string
	Raw    string
	Status int  // the status a client must get
	Body   bool // the head is valid and the fault is in the body, so a head, or a cut body, may have passed before it
}

// next is what an attacker hopes to have read as a second message.
const next = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

// nextAnswer is what a hostile backend hopes to have read as the answer to somebody else.
const nextAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"
