package vrrp

import (
	"context"
	"errors"
)

type Raw struct{ iface string }

func (r *Raw) Open(context.Context, VirtualRouter) (Link, error) { return nil, errors.ErrUnsupported }
func (r *Raw) hire() (*engine, func(), error)                    { return nil, nil, errors.ErrUnsupported }
