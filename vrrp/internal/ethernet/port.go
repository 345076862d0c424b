package ethernet

// Config is what a [Port] is for.
type Config struct {
	Interface string // name
	Absent    bool   // the interface may be missing when the port is opened
	Replies   bool   // send gratuitous ARP in the form of a reply too
	Router    Router // the router flag of neighbour advertisements
	Pace      Pace   // of the judgement of conflicts
}

// Router tells what the router flag of neighbour advertisements is.
type Router uint8

const (
	RouterAuto Router = iota // as the kernel answers: whether the interface forwards when the port is opened
	RouterYes
	RouterNo
)

// Families tells which families a [Member] announces.
type Families struct{ IPv4, IPv6 bool }
