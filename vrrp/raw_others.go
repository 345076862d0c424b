//go:build !linux

package vrrp

func namespace() string { return "" }
