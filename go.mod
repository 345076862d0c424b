module github.com/mainstay-ha/mainstay

go 1.25.0

require (
	golang.org/x/net v0.52.0
	golang.org/x/sys v0.42.0
	golang.org/x/time v0.15.0
)
