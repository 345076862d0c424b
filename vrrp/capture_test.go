package vrrp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const captures = "testdata/captures"

// captureCase is one line of cases.jsonl.
type captureCase struct {
	Name    string            `json:"case"`
	Hosts   int               `json:"hosts"`
	Event   string            `json:"event"`
	Packets int               `json:"packets"`
	Confs   map[string]string `json:"confs"` // by host
}

// captureCases reads cases.jsonl.
func captureCases(t testing.TB) (out []captureCase) {
	t.Helper()
	f, err := os.Open(filepath.Join(captures, "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var c captureCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	if files, _ := filepath.Glob(filepath.Join(captures, "*.pcap")); len(files) != len(out) || len(out) != 32 {
		t.Fatalf("%d captures, %d cases", len(files), len(out))
	}
	return out
}

// captureFrame is an Ethernet frame that carries IP: what a receiver sees of it.
type captureFrame struct {
	at       time.Time
	mac      net.HardwareAddr // source
	src, dst netip.Addr
	ttl      uint8
	proto    uint8
	payload  []byte // as long as the IP header says
	ah       *authHeader
}

// readCapture reads the frames of a case that carry VRRP, in AH or not.
func readCapture(t testing.TB, name string) (out []captureFrame, frames int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(captures, name+".pcap"))
	if err != nil {
		t.Fatal(err)
	}
	// Little-endian, microseconds, Ethernet.
	if len(b) < 24 || binary.LittleEndian.Uint32(b) != 0xa1b2c3d4 || binary.LittleEndian.Uint32(b[20:]) != 1 {
		t.Fatalf("%s: not such a capture", name)
	}
	for b = b[24:]; len(b) > 0; frames++ {
		seconds, micros, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
		f, ok := parseFrame(b[16 : 16+n])
		f.at = time.Unix(int64(seconds), int64(micros)*1000).UTC()
		b = b[16+n:]
		if !ok {
			continue
		}
		if f.proto == 51 {
			h, rest, ok := parseAH(f.payload)
			if !ok {
				t.Fatalf("%s: %x is no AH", name, f.payload)
			}
			f.ah, f.payload, f.proto = &h, rest, protocol
		}
		if f.proto == protocol {
			out = append(out, f)
		}
	}
	return out, frames
}

// parseFrame takes an Ethernet frame apart as a kernel does: what comes after the
// length that the IP header gives is padding.
func parseFrame(b []byte) (f captureFrame, ok bool) {
	if len(b) < 14 {
		return f, false
	}
	f.mac = b[6:12]
	ip := b[14:]
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		if len(ip) < 20 || ip[0]>>4 != 4 {
			return f, false
		}
		header, total := int(ip[0]&0xf)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if header < 20 || total < header || total > len(ip) || fold(sum16(0, ip[:header])) != 0xffff {
			return f, false
		}
		f.src, f.dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		f.ttl, f.proto, f.payload = ip[8], ip[9], ip[header:total]
	case 0x86dd:
		if len(ip) < 40 || ip[0]>>4 != 6 {
			return f, false
		}
		length := int(binary.BigEndian.Uint16(ip[4:]))
		if length > len(ip)-40 {
			return f, false
		}
		f.src, f.dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
		f.ttl, f.proto, f.payload = ip[7], ip[6], ip[40:40+length]
	default:
		return f, false
	}
	return f, true
}

// host is the number of the host that sent the frame, by its address.
func (f captureFrame) host() int {
	b := f.src.AsSlice()
	return int(b[len(b)-1])
}

func (f captureFrame) packet() Packet {
	return Packet{Data: bytes.Clone(f.payload), From: netip.AddrPortFrom(f.src, 0), To: netip.AddrPortFrom(f.dst, 0), TTL: f.ttl, AH: f.ah != nil}
}

// captureConf is what a case's configuration file says about a host.
type captureConf struct {
	version  int
	priority uint8
	interval time.Duration
	auth     string
	vips     []netip.Prefix
	unicast  []netip.Addr
	vmac     string // "", "use_vmac", "vmac_xmit_base"
}

var (
	confWord  = regexp.MustCompile(`(?m)^\s*(vrrp_version|priority|advert_int|auth_type|auth_pass|virtual_router_id) (\S+)`)
	confBlock = regexp.MustCompile(`(?ms)^\s*(virtual_ipaddress|unicast_peer) \{\n(.*?)\}`)
)

// conf reads a configuration of cases.jsonl.
func (c captureCase) conf(t testing.TB, host int) captureConf {
	t.Helper()
	text := c.Confs[fmt.Sprintf("h%d", host)]
	out := captureConf{interval: time.Second}
	for _, w := range confWord.FindAllStringSubmatch(text, -1) {
		number, _ := strconv.ParseFloat(w[2], 64)
		switch w[1] {
		case "vrrp_version":
			out.version = int(number)
		case "priority":
			out.priority = uint8(number)
		case "advert_int":
			out.interval = time.Duration(number*100) * centisecond
		case "auth_type":
			out.auth = w[2]
		case "virtual_router_id":
			if w[2] != "51" {
				t.Fatalf("%s: VRID %s", c.Name, w[2])
			}
		}
	}
	for _, block := range confBlock.FindAllStringSubmatch(text, -1) {
		for _, word := range strings.Fields(block[2]) {
			switch {
			case block[1] == "unicast_peer":
				out.unicast = append(out.unicast, netip.MustParseAddr(word))
			default:
				out.vips = append(out.vips, netip.MustParsePrefix(word))
			}
		}
	}
	for _, word := range []string{"use_vmac", "vmac_xmit_base"} {
		if strings.Contains(text, word) {
			out.vmac = word
		}
	}
	if out.version == 0 || out.priority == 0 || len(out.vips) == 0 {
		t.Fatalf("%s: host %d: %+v is read of %s", c.Name, host, out, text)
	}
	return out
}

// codec is a router that hears the hosts of a case: host 9, configured as conf.
func (conf captureConf) codec(t testing.TB, f captureFrame) *codec {
	self, to := "10.77.0.9:0", []string{netip.AddrPortFrom(f.dst, 0).String()}
	if f.src.Is6() {
		self = "[fe80::77:ff:fe00:9]:0"
	}
	opts := []Option{WithVersion(conf.version), WithInterval(conf.interval)}
	if conf.auth == "PASS" {
		opts = append(opts, WithPassword("secret12"))
	}
	if len(conf.unicast) > 0 { // in the place of whom it was sent to
		self, to = to[0], []string{netip.AddrPortFrom(f.src, 0).String()}
		peer := Peer{Addr: f.src}
		if f.src.Is6() { // keepalived leaves the hop limit to the system there
			peer.MinTTL, peer.MaxTTL = 64, 64
		}
		opts = append(opts, WithUnicast(netip.Addr{}, peer))
	}
	return testCodec(t, self, conf.vips, to, opts...)
}

// Every advert of every capture says what its README and its configuration say,
// is what a router in the same network hears, and is written again byte by byte.
func TestCapturesDecode(t *testing.T) {
	adverts := 0
	for _, c := range captureCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			packets, frames := readCapture(t, c.Name)
			if frames != c.Packets || len(packets) == 0 {
				t.Errorf("%d frames, %d of them VRRP, want %d", frames, len(packets), c.Packets)
			}
			var sequence uint32
			for _, f := range packets {
				adverts++
				conf := c.conf(t, f.host())
				want := Advert{Version: uint8(conf.version), VRID: 51, Priority: conf.priority, Interval: conf.interval, Addrs: addrsOf(conf.vips)}
				if conf.version == 3 && f.src.Is4() {
					want.Checksum = PseudoHeader
				}
				if conf.auth == "PASS" {
					want.Auth, want.Password = AuthPassword, Password([]byte("secret12"))
				}
				if conf.auth == "AH" {
					want.Auth = AuthHeader
				}
				if f.payload[2] == 0 {
					want.Priority = 0
				}
				var a Advert
				if err := a.Parse(f.payload, f.src, f.dst); err != nil || !a.equal(want) {
					t.Errorf("%v: Parse() read %+v, %v, want %+v", f.at, a, err, want)
				}
				f.expectEnvelope(t, conf)

				k, p := conf.codec(t, f), f.packet()
				why := k.in.inspect(&p, wall0)
				if h := decode(f.payload, f.src, f.dst, f.ttl, f.ah != nil); h.Drop != why || !h.Advert.equal(want) {
					t.Errorf("%v: decode() = %v", f.at, h)
				}
				if f.ah != nil {
					// keepalived's SPI is the sender's address; the sequence grows.
					src := f.src.As4()
					if why != DropAH || f.ah.spi != binary.BigEndian.Uint32(src[:]) || f.ah.sequence <= sequence {
						t.Errorf("%v: %v, %+v after sequence %d", f.at, why, *f.ah, sequence)
					}
					sequence = f.ah.sequence
					continue
				}
				if why != 0 || !k.in.advert.equal(want) || !k.in.sameAddrs() {
					t.Errorf("%v: inspect() = %v, %+v", f.at, why, k.in.advert)
				}
				if out, err := a.AppendTo(nil, f.src, f.dst); err != nil || !bytes.Equal(out, f.payload) {
					t.Errorf("%v: AppendTo() = %x, %v, want %x", f.at, out, err, f.payload)
				}
				// Our own router in that place would have sent the same.
				mine := testCodec(t, netip.AddrPortFrom(f.src, 0).String(), conf.vips, []string{netip.AddrPortFrom(f.dst, 0).String()}, conf.options()...)
				if out := mine.out.build(want.Priority, conf.interval, wall0)[0]; !bytes.Equal(out.Data, f.payload) {
					t.Errorf("%v: build() = %x, want %x", f.at, out.Data, f.payload)
				}
			}
		})
	}
	if adverts < 200 {
		t.Errorf("%d adverts in all", adverts)
	}
}

func (conf captureConf) options() []Option {
	opts := []Option{WithVersion(conf.version), WithInterval(conf.interval)}
	if conf.auth == "PASS" {
		opts = append(opts, WithPassword("secret12"))
	}
	return opts
}

// expectEnvelope checks what carried the advert.
func (f captureFrame) expectEnvelope(t *testing.T, conf captureConf) {
	t.Helper()
	host := f.host()
	src, dst, ttl := netip.AddrFrom4([4]byte{10, 77, 0, byte(host)}), group.Addr(), uint8(255)
	if f.src.Is6() {
		src, dst = netip.MustParseAddr(fmt.Sprintf("fe80::77:ff:fe00:%d", host)), netip.MustParseAddr("ff02::12")
	}
	if len(conf.unicast) > 0 {
		dst = conf.unicast[0]
		if dst.Is6() {
			src, ttl = netip.MustParseAddr(fmt.Sprintf("fd77::%d", host)), 64 // this is keepalived's mistake, see its README
		}
	}
	mac := net.HardwareAddr{2, 0x77, 0, 0, 0, byte(host)}
	if conf.vmac == "use_vmac" {
		mac = VirtualRouter{VRID: 51, Family: familyOf(f.src)}.MAC()
	}
	if f.src != src || f.dst != dst || f.ttl != ttl || !bytes.Equal(f.mac, mac) {
		t.Errorf("%v: from %v %v to %v, TTL %d, want %v %v, %v, %d", f.at, f.mac, f.src, f.dst, f.ttl, mac, src, dst, ttl)
	}
}

// What each capture tells, by its README: who advertised what, how often.
var captureStories = map[string]string{
	"v2-none-stop":           "h1 150 x2, h1 0, h2 100 x5, h2 0",
	"v2-none-crash":          "h1 150 x2, h2 100 x3, h2 0",
	"v2-pass-stop":           "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v2-ah-stop":             "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v2-adv3-crash":          "h1 150, h2 100 x3, h2 0",
	"v2-three-stop":          "h1 150 x2, h1 0, h2 100 x4, h2 0, h3 50",
	"v2-preempt-return":      "h2 100 x7, h1 150 x2",
	"v2-nopreempt-return":    "h2 100 x12, h2 0",
	"v2-many-vips-stop":      "h1 150 x2, h1 0, h2 100",
	"v2-same-priority":       "h1 100 x5, h1 0, h2 100 x2, h2 0",
	"v2-same-priority-split": "h1 100, h2 100, h1 100, h2 100 x5, h2 0", // the higher address wins
	"v2-split-heal":          "h1 150, h2 100, h1 150, h2 100, h1 150 x3, h1 0, h2 100",
	"v2-oneway-heal":         "h2 100, h1 150 x3, h1 0, h2 100",
	"v2-unicast-stop":        "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v3-ipv4-stop":           "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v3-ipv4-crash":          "h1 150 x2, h2 100 x3, h2 0",
	"v3-ipv4-100ms-stop":     "h1 150 x3, h1 0, h2 100 x10",
	"v3-ipv4-100ms-crash":    "h1 150 x3, h2 100 x11",
	"v3-ipv4-10ms-stop":      "h1 150 x5, h1 0, h2 100 x9",
	"v3-ipv4-10ms-crash":     "h1 150 x5, h2 100 x10",
	"v3-ipv4-many-vips-stop": "h1 150 x2, h1 0, h2 100",
	"v3-ipv4-owner255-stop":  "h1 255 x2, h1 0, h2 100 x5, h2 0",
	"v3-ipv4-unicast-stop":   "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v3-ipv4-vmac-stop":      "h1 150 x2, h1 0, h2 100 x5, h2 0",
	"v3-ipv4-vmac-base-stop": "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v3-ipv4-advmismatch":    "h1 150 x5, h1 0, h2 100 x2, h2 0",
	"v3-ipv4-split-heal":     "h1 150, h2 100, h1 150, h2 100, h1 150 x3, h1 0, h2 100 x7",
	"v3-ipv6-stop":           "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v3-ipv6-crash":          "h1 150 x3, h2 100 x6",
	"v3-ipv6-unicast-stop":   "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v3-ipv6-vmac-stop":      "h1 150 x2, h1 0, h2 100 x4, h2 0",
	"v3-ipv6-preempt-return": "h2 100 x8, h1 150 x2",
}

// The stories, and when they go on: an heir takes over exactly a skew after
// priority 0, or a down interval after the last advert of one that was killed.
func TestCapturesTellTheirStory(t *testing.T) {
	for _, c := range captureCases(t) {
		packets, _ := readCapture(t, c.Name)
		var told []string
		count := 0
		for i, f := range packets {
			word := fmt.Sprintf("h%d %d", f.host(), f.payload[2])
			if i > 0 && f.host() == packets[i-1].host() && f.payload[2] == packets[i-1].payload[2] {
				count++
				told[len(told)-1] = fmt.Sprintf("%s x%d", word, count)
				continue
			}
			told, count = append(told, word), 1
		}
		if got := strings.Join(told, ", "); got != captureStories[c.Name] {
			t.Errorf("%s: %s, want %s", c.Name, got, captureStories[c.Name])
		}

		takeovers := 0
		for i := 1; i < len(packets); i++ {
			last, heir := packets[i-1], packets[i]
			if last.host() == heir.host() {
				continue
			}
			conf, before := c.conf(t, heir.host()), c.conf(t, last.host())
			skew := (256 - time.Duration(conf.priority)) * time.Second / 256 // version 2: of a second, always
			if conf.version == 3 {
				skew = (256 - time.Duration(conf.priority)) * before.interval / 256 // of the interval that was learned
			}
			var due time.Duration
			switch {
			case last.payload[2] == 0:
				due = skew
			case c.Event == "crash":
				due = 3*before.interval + skew
			default:
				continue
			}
			takeovers++
			if took := heir.at.Sub(last.at); took < due || took > due+5*time.Millisecond {
				t.Errorf("%s: the heir advertised after %v, want %v", c.Name, took, due)
			}
		}
		if want := strings.Count(captureStories[c.Name], " 0, ") + strings.Count(c.Event, "crash"); takeovers != want {
			t.Errorf("%s: %d takeovers, want %d", c.Name, takeovers, want)
		}
	}
}

// Every byte changed to every value, and every truncation, of every different
// message in the captures: nothing panics, and all of it is dropped. With the
// checksum put right it is dropped too, or it is an advert that somebody could
// have sent: that is checked by reading it again without this package.
func TestCaptureMutations(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range captureCases(t) {
		packets, _ := readCapture(t, c.Name)
		for _, f := range packets {
			id := fmt.Sprint(f.src, f.dst, f.ah != nil, f.payload)
			if seen[id] {
				continue
			}
			seen[id] = true
			conf := c.conf(t, f.host())
			k := conf.codec(t, f)
			deliver := func(b []byte) DropReason {
				p := f.packet()
				p.Data = b
				why := k.in.inspect(&p, wall0)
				if h := decode(b, f.src, f.dst, f.ttl, f.ah != nil); why == 0 && h.Drop != 0 || len(b)%8 == 7 && h.String() == "" {
					t.Errorf("%s: %x is heard, and shown as %v", c.Name, b, h)
				}
				return why
			}
			for i := range f.payload {
				want := DropLength
				if f.ah != nil && i >= headerLen {
					want = DropAH
				}
				if why := deliver(f.payload[:i:i]); why != want {
					t.Errorf("%s: %d of %d bytes: %v", c.Name, i, len(f.payload), why)
				}
				b := bytes.Clone(f.payload)
				for v := range 256 {
					if b[i] = byte(v); v == int(f.payload[i]) {
						continue
					}
					if why := deliver(b); why == 0 {
						t.Errorf("%s: byte %d = %#x: heard", c.Name, i, v)
					}
					right := resum(bytes.Clone(b), f.src, f.dst)
					if why := deliver(right); why == 0 && !conf.legal(right, f.src.Is6()) {
						t.Errorf("%s: byte %d = %#x: heard with a right checksum: %x", c.Name, i, v, right)
					} else if why != 0 && f.ah == nil && i != 6 && i != 7 && conf.legal(right, f.src.Is6()) {
						t.Errorf("%s: byte %d = %#x: dropped with a right checksum for %v: %x", c.Name, i, v, why, right)
					}
				}
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("%d different messages", len(seen))
	}
}

// legal says by the offsets of the RFCs alone whether a router with conf is to
// hear b, whose checksum is right.
func (conf captureConf) legal(b []byte, six bool) bool {
	tail, addr := 0, 4
	if conf.version == 2 {
		tail = 8
	}
	if six {
		addr = 16
	}
	switch {
	case b[0] != byte(conf.version)<<4|1, b[1] != 51, b[3] == 0, len(b) != 8+int(b[3])*addr+tail, conf.auth == "AH":
		return false
	case conf.version == 3 && b[4]&0xf == 0 && b[5] == 0:
		return false
	case conf.version == 2 && time.Duration(b[5])*time.Second != conf.interval:
		return false
	case conf.version == 2 && conf.auth == "" && b[4] != 0:
		return false
	case conf.auth == "PASS" && (b[4] != 1 || string(b[len(b)-8:]) != "secret12"):
		return false
	case six && (b[8] != 0xfe || b[9]>>6 != 2):
		return false
	}
	return true
}

// Frames are padded to 60 bytes, and to 64 where a tag was taken out: the length
// of the IP header tells what is padding. A byte more that it does count is no
// padding, whatever the frame's length.
func TestPaddingIsNotInTheIPLength(t *testing.T) {
	for _, name := range []string{"v2-none-stop", "v3-ipv4-stop", "v3-ipv6-stop"} {
		packets, _ := readCapture(t, name)
		c := captureCases(t)[slices.IndexFunc(captureCases(t), func(c captureCase) bool { return c.Name == name })]
		conf := c.conf(t, 1)
		k := conf.codec(t, packets[0])
		for _, p := range []struct {
			name   string
			extra  int // counted by the IP header
			padded int // frame length
			want   DropReason
		}{
			{"as it is", 0, 0, 0}, {"padded", 0, 60, 0}, {"padded, without its tag", 0, 64, 0}, {"one more", 0, 61, 0},
			{"one more inside", 1, 0, DropLength}, {"four more inside", 4, 64, DropLength}, {"filled up inside", 60, 0, DropLength},
		} {
			f, ok := parseFrame(packets[0].frame(p.extra, p.padded))
			if !ok {
				t.Fatalf("%s: no frame", p.name)
			}
			packet := f.packet()
			if got := k.in.inspect(&packet, wall0); got != p.want {
				t.Errorf("%s, %s: %v, want %v", name, p.name, got, p.want)
			}
		}
	}
}

// frame builds an Ethernet frame of at least padded bytes, with extra zeros in
// the IP packet.
func (f captureFrame) frame(extra, padded int) []byte {
	payload := append(bytes.Clone(f.payload), make([]byte, extra)...)
	b := make([]byte, 14)
	if f.src.Is4() {
		ip := make([]byte, 20)
		ip[0], ip[8], ip[9] = 0x45, f.ttl, f.proto
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(payload)))
		copy(ip[12:], f.src.AsSlice())
		copy(ip[16:], f.dst.AsSlice())
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum16(0, ip)))
		binary.BigEndian.PutUint16(b[12:], 0x0800)
		b = append(b, ip...)
	} else {
		ip := make([]byte, 40)
		ip[0], ip[6], ip[7] = 0x60, f.proto, f.ttl
		binary.BigEndian.PutUint16(ip[4:], uint16(len(payload)))
		copy(ip[8:], f.src.AsSlice())
		copy(ip[24:], f.dst.AsSlice())
		binary.BigEndian.PutUint16(b[12:], 0x86dd)
		b = append(b, ip...)
	}
	b = append(b, payload...)
	return append(b, make([]byte, max(0, padded-len(b)))...)
}
