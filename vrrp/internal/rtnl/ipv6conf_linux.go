package rtnl

import (
	"bytes"
	"fmt"
	"os"
)

// IPv6Conf changes IPv6 settings of links, for which rtnetlink has no message.
type IPv6Conf struct{ root *os.Root }

// OpenIPv6Conf opens the settings of the network namespace of the calling
// thread. What it returns belongs to that namespace, whichever thread uses it.
func OpenIPv6Conf() (*IPv6Conf, error) {
	root, err := os.OpenRoot("/proc/sys/net/ipv6/conf")
	if err != nil {
		return nil, err
	}
	return &IPv6Conf{root}, nil
}

// Set changes a setting of a link, unless it has that value: the files may be
// read-only, as they are in many containers.
func (c *IPv6Conf) Set(link, setting, value string) error {
	path := link + "/" + setting
	old, err := c.root.ReadFile(path)
	if err != nil || string(bytes.TrimSpace(old)) == value {
		return err
	}
	f, err := c.root.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("%w; net.ipv6.conf.default.%s=%s would do", err, setting, value)
	}
	_, err = f.WriteString(value)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// Close closes the settings.
func (c *IPv6Conf) Close() error { return c.root.Close() }
