package cable

import (
	"net"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/need"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestCable(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := New(t)
	var l net.Listener
	var err error
	c.There(func() { l, err = net.Listen("tcp", Far4+":80") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", Far4+":80")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := net.InterfaceByName(Far); err == nil {
		t.Error("both ends are here")
	}
}
