package vrrp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/cable"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
	afpacket "github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// vrrpFrames returns the frames of a capture that is VRRP, perhaps behind AH.
func vrrpFrames(t *testing.T, name string) (out [][]byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "captures", name))
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) > 0; { // pcap, little-endian, Ethernet
		n := 16 + binary.LittleEndian.Uint32(b[8:])
		if f := b[16:n]; f[14]>>4 == 4 && (f[23] == 112 || f[23] == 51) || f[14]>>4 == 6 && f[20] == 112 {
			out = append(out, f)
		}
		b = b[n:]
	}
	return out
}

// plain is what listen hands over.
type plain struct {
	msg      []byte
	src, dst netip.Addr
	ttl      uint8
	ah       bool
}

// hear starts listening at the near end, and returns what is heard, and how it ends.
func hear(t *testing.T, ctx context.Context) (<-chan plain, <-chan error) {
	t.Helper()
	heard, ended := make(chan plain, 1000), make(chan error, 1)
	go func() {
		ended <- listen(ctx, cable.Near, func(msg []byte, src, dst netip.Addr, ttl uint8, ah bool) {
			heard <- plain{msg, src, dst, ttl, ah}
		})
	}()
	return heard, ended
}

// player sends frames at an end of the cable.
func player(t *testing.T, name string) *afpacket.Conn {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return nil
	}
	conn, err := afpacket.Listen(ifi, afpacket.Raw, 0, nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func playFrame(t *testing.T, conn *afpacket.Conn, frame []byte) {
	t.Helper()
	if _, err := conn.WriteTo(frame, &afpacket.Addr{HardwareAddr: frame[:6]}); err != nil {
		t.Error(err)
	}
}

// begun plays a frame until it is heard, so that listening has begun.
func begun(t *testing.T, conn *afpacket.Conn, heard <-chan plain, frame []byte) {
	t.Helper()
	for {
		playFrame(t, conn, frame)
		select {
		case <-heard:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
}

// Whatever a real keepalived sends is heard, and what is sent from here too.
func TestListenHearsCaptures(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	leak.Check(t)
	c := cable.New(t)
	var far *afpacket.Conn
	c.There(func() { far = player(t, cable.Far) })
	near := player(t, cable.Near)
	if t.Failed() {
		t.FailNow()
	}
	ctx, cancel := context.WithCancel(context.Background())
	heard, ended := hear(t, ctx)
	first := vrrpFrames(t, "v3-ipv4-stop.pcap")[0]
	begun(t, far, heard, first)
	marker := bytes.Clone(first) // not to be taken for a late one of those
	marker[14+20+1] = 200
	playFrame(t, far, marker)
	for p := range heard {
		if p.msg[1] == 200 {
			break
		}
	}
	for _, conn := range []*afpacket.Conn{far, near} {
		for _, name := range []string{"v2-ah-stop.pcap", "v3-ipv4-stop.pcap", "v3-ipv6-stop.pcap", "v3-ipv4-vmac-stop.pcap"} {
			for _, frame := range vrrpFrames(t, name) {
				padded := append(bytes.Clone(frame), make([]byte, max(0, 60-len(frame)))...)
				playFrame(t, conn, padded)
				want, ok := rawip.ParsePacket(frame[14:])
				got := <-heard
				if !ok || !bytes.Equal(got.msg, want.Data) || got.src != want.Src || got.dst != want.Dst || got.ttl != 255 || got.ah != (name == "v2-ah-stop.pcap") {
					t.Errorf("%s: heard %+v, want %+v", name, got, want)
				}
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended: %v", err)
	}
}

// It joins the groups, and leaves them.
func TestListenJoins(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	cable.New(t)
	joined := func(path, group string) bool {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(b), group)
	}
	both := func() (v4, v6 bool) {
		return joined("/proc/net/igmp", "120000E0") || joined("/proc/net/igmp", "E0000012"), joined("/proc/net/igmp6", "ff020000000000000000000000000012")
	}
	if v4, v6 := both(); v4 || v6 {
		t.Fatal("joined before")
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, ended := hear(t, ctx)
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		if v4, v6 := both(); v4 && v6 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not joined")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if v4, v6 := both(); v4 || v6 {
		t.Error("still joined")
	}
}

func TestListenErrors(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	leak.Check(t)
	nothing := func(Heard) { t.Error("heard something") }
	err := Listen(context.Background(), "eth9", nothing)
	if !errors.Is(err, unix.ENODEV) || !strings.HasPrefix(err.Error(), `vrrp: listening on "eth9": `) {
		t.Errorf("missing interface: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: it has no capabilities any more
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			t.Error(err)
			return
		}
		if err := Listen(context.Background(), "lo", nothing); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("without privilege: %v, want EPERM and CAP_NET_RAW", err)
		}
	}()
	<-done

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Listen(ctx, "lo", nothing); err != nil {
		t.Errorf("when nobody waits: %v", err)
	}
}

// Down and up goes unnoticed; the end of the interface is the end.
func TestListenFollowsTheInterface(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	leak.Check(t)
	c := cable.New(t)
	var far *afpacket.Conn
	c.There(func() { far = player(t, cable.Far) })
	if t.Failed() {
		t.FailNow()
	}
	heard, ended := hear(t, context.Background())
	frame := vrrpFrames(t, "v3-ipv4-stop.pcap")[0]
	begun(t, far, heard, frame)
	cable.IP(t, "link set "+cable.Near+" down")
	c.Up()
	begun(t, far, heard, frame)
	cable.IP(t, "link del "+cable.Near)
	if err := <-ended; !errors.Is(err, unix.ENODEV) {
		t.Errorf("deleted: %v, want ENODEV", err)
	}
}
