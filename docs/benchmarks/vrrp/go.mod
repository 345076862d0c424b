module github.com/mainstay-ha/mainstay/docs/benchmarks/vrrp

go 1.25.0

require (
	github.com/mainstay-ha/mainstay v0.0.0
	golang.org/x/sys v0.42.0
)

require golang.org/x/net v0.52.0 // indirect

replace github.com/mainstay-ha/mainstay => ../../..
