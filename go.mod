module github.com/mainstay-ha/mainstay

go 1.25.0

require (
	github.com/mdlayher/netlink v1.9.0
	github.com/mdlayher/packet v1.1.2
	golang.org/x/net v0.52.0
	golang.org/x/sys v0.42.0
	golang.org/x/time v0.15.0
)

require (
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/josharian/native v1.1.0 // indirect
	github.com/mdlayher/socket v0.5.1 // indirect
	golang.org/x/sync v0.3.0 // indirect
)
