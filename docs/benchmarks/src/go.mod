module github.com/mainstay-ha/mainstay/docs/benchmarks/src

go 1.25.0
