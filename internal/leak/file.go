package leak

// file is one open descriptor and what /proc/self/fd says about it.
type file struct {
	fd     int
	target string // "socket:[81234]", "pipe:[99]", "anon_inode:[timerfd]", "net:[4026531840]"
}
