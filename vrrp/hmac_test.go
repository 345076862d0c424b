package vrrp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func testKey(id uint8) HMACKey {
	key, err := NewHMACKey(id, []byte(fmt.Sprintf("%-32s", fmt.Sprint("secret ", id))))
	if err != nil {
		panic(err)
	}
	return key
}

// wall0 has a fraction that is exact in 1/65536 s: 0x1000.
var wall0 = time.Unix(1_700_000_000, 62_500_000)

var (
	authFrom = netip.MustParseAddrPort("192.0.2.1:1985")
	authTo   = netip.MustParseAddrPort("192.0.2.2:1985")
)

// newAuthenticator has one key and forgets nothing for window.
func newAuthenticator(key HMACKey, f Family, _ uint8, window time.Duration, peers int) *authenticator {
	return newHMAC(&signing{active: key, window: window}, f, time.Second, peers)
}

func authPair(window time.Duration) (sender, receiver *authenticator) {
	return newAuthenticator(testKey(7), IPv4, 51, window, 1), newAuthenticator(testKey(7), IPv4, 51, window, 1)
}

func signed(a *authenticator, wall time.Time) []byte {
	return a.sign(bytes.Clone(authMessage), authMessage, authFrom, wall)
}

// hear is what a receiver does with a packet that is good but for the trailer.
func (a *authenticator) hear(b []byte, from netip.AddrPort, wall time.Time) DropReason {
	n := min(messageLen(b, a.family), len(b))
	why := a.verify(b[:n], b[n:], from, wall)
	if why == 0 {
		a.accept(b[n:], from)
	}
	return why
}

var authMessage = func() []byte {
	a := Advert{VRID: 51, Priority: 150, Interval: time.Second, Addrs: addrs("192.0.2.100")}
	b, err := a.AppendTo(nil, authFrom.Addr(), authTo.Addr())
	if err != nil {
		panic(err)
	}
	return b
}()

// trailerByHand is the trailer of draft-cassen-vrrp-auth-hmac for a message,
// from its description alone: HMAC-SHA256 is RFC 2104 over crypto/sha256.
func trailerByHand(secret []byte, family, keyID byte, src netip.Addr, port uint16, message []byte, seconds uint32, subsecond, counter uint16) []byte {
	prefix := []byte{1, keyID, 0, 0}
	prefix = binary.BigEndian.AppendUint32(prefix, seconds)
	prefix = binary.BigEndian.AppendUint16(prefix, subsecond)
	prefix = binary.BigEndian.AppendUint16(prefix, counter)

	input := make([]byte, 20)
	input[0], input[1], input[2] = family, message[0]>>4, message[1]
	copy(input[4:], src.AsSlice())
	if port != 0 { // our own, for UDP
		input = binary.BigEndian.AppendUint16(input, port)
	}
	input = append(input, message...)
	checksum := len(input) - len(message) + 6
	input[checksum], input[checksum+1] = 0, 0
	input = append(input, prefix...)
	input = append(input, make([]byte, 16)...)

	var inner, outer [64]byte
	copy(inner[:], secret)
	copy(outer[:], secret)
	for i := range 64 {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	first := sha256.Sum256(append(inner[:], input...))
	second := sha256.Sum256(append(outer[:], first[:]...))
	return append(prefix, second[:16]...)
}

// Both versions and families, multicast and unicast, key lengths of 32 and 64
// bytes. wall0 is 0x6553f100 s and 0x1000/0x10000.
func TestTrailerVectors(t *testing.T) {
	long, err := NewHMACKey(255, bytes.Repeat([]byte{0xa5, 7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		version  int
		self, to string
		key      HMACKey
	}{
		{"version 3 over IPv4", 3, "192.0.2.1:0", "224.0.0.18:0", testKey(7)},
		{"version 3 over IPv4, unicast", 3, "192.0.2.1:0", "192.0.2.2:0", testKey(7)},
		{"version 3 over IPv6", 3, "[fe80::1]:0", "[ff02::12]:0", testKey(7)},
		{"version 3 over IPv6, unicast", 3, "[2001:db8::1]:0", "[2001:db8::2]:0", long},
		{"version 2", 2, "192.0.2.1:0", "224.0.0.18:0", testKey(7)},
		{"version 2, unicast", 2, "192.0.2.1:0", "192.0.2.2:0", long},
		{"UDP", 3, "192.0.2.1:1985", "192.0.2.2:1985", testKey(7)},
	} {
		vips, family := vips4, byte(4)
		self := netip.MustParseAddrPort(c.self)
		if self.Addr().Is6() {
			vips, family = vips6, 6
		}
		k := testCodec(t, c.self, vips, []string{c.to}, WithVersion(c.version), WithHMAC(c.key))
		for counter := range uint16(3) { // of one moment
			p := k.out.build(150, time.Second, wall0)[0]
			n := messageLen(p.Data, k.family)
			want := trailerByHand([]byte(c.key.secret), family, c.key.id, self.Addr(), self.Port(), p.Data[:n], 0x6553f100, 0x1000, counter)
			if !bytes.Equal(p.Data[n:], want) {
				t.Errorf("%s, %d: trailer %x, want %x", c.name, counter, p.Data[n:], want)
			}
		}
	}
	// One image in full, so that the tables above cannot be wrong together.
	message, _ := hex.DecodeString("3133960100642db60a4d0064")
	secret := []byte("0123456789abcdef0123456789abcdef")
	key, _ := NewHMACKey(1, secret)
	a := newAuthenticator(key, IPv4, 51, 5*time.Second, 1)
	got := a.sign(nil, message, netip.MustParseAddrPort("10.77.0.1:0"), wall0)
	mac := hmac.New(sha256.New, secret)
	input, _ := hex.DecodeString("04033300" + "0a4d0001" + strings.Repeat("00", 12) + "313396010064" + "0000" + "0a4d0064" +
		"01010000" + "6553f100" + "1000" + "0000" + strings.Repeat("00", 16))
	mac.Write(input)
	if want := "01010000" + "6553f100" + "1000" + "0000" + hex.EncodeToString(mac.Sum(nil)[:16]); hex.EncodeToString(got) != want {
		t.Errorf("sign() = %x, want %s", got, want)
	}
}

func TestTrailerDrops(t *testing.T) {
	sender, _ := authPair(5 * time.Second)
	good := signed(sender, wall0)
	n := len(authMessage)
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		from netip.AddrPort
		wall time.Time
		want DropReason
	}{
		{"good", good, authFrom, wall0, 0},
		{"clock 5 s ahead", good, authFrom, wall0.Add(5 * time.Second), 0},
		{"clock 5 s behind", good, authFrom, wall0.Add(-5 * time.Second), 0},
		{"another checksum", edit(func(b []byte) { b[6]++ }), authFrom, wall0, 0},
		{"missing", good[:n], authFrom, wall0, DropHMACMissing},
		{"type 2", edit(func(b []byte) { b[n] = 2 }), authFrom, wall0, DropHMACMalformed},
		{"another key", edit(func(b []byte) { b[n+1] = 8 }), authFrom, wall0, DropHMACKey},
		{"clock 5.1 s ahead", good, authFrom, wall0.Add(5100 * time.Millisecond), DropHMACStale},
		{"clock 5.1 s behind", good, authFrom, wall0.Add(-5100 * time.Millisecond), DropHMACStale},
		{"from another address", good, authTo, wall0, DropHMAC},
		{"another priority", edit(func(b []byte) { b[2]++ }), authFrom, wall0, DropHMAC},
		{"another VRID", edit(func(b []byte) { b[1]++ }), authFrom, wall0, DropHMAC},
		{"another version", edit(func(b []byte) { b[0] = 0x11 }), authFrom, wall0, DropHMAC},
		{"another virtual address", edit(func(b []byte) { b[11]++ }), authFrom, wall0, DropHMAC},
		{"reserved bits", edit(func(b []byte) { b[n+2] = 1 }), authFrom, wall0, DropHMAC},
		{"later", edit(func(b []byte) { b[n+11]++ }), authFrom, wall0, DropHMAC},
		{"last bit", edit(func(b []byte) { b[n+27] ^= 1 }), authFrom, wall0, DropHMAC},
	} {
		_, receiver := authPair(5 * time.Second)
		if got := receiver.hear(c.b, c.from, c.wall); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestReplay(t *testing.T) {
	sender, receiver := authPair(5 * time.Second)
	hear := func(name string, b []byte, wall time.Time, want DropReason) {
		t.Helper()
		if got := receiver.hear(b, authFrom, wall); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	first, second := signed(sender, wall0), signed(sender, wall0)
	hear("first", first, wall0, 0)
	hear("first again", first, wall0, DropHMACReplay)
	hear("second, of the same moment", second, wall0, 0)
	hear("first, overtaken", first, wall0, DropHMACReplay)

	// What is not verified moves no mark, however new it says it is.
	forged := signed(sender, wall0.Add(4*time.Second))
	forged[len(forged)-1] ^= 1
	hear("forged", forged, wall0, DropHMAC)
	third := signed(newAuthenticator(testKey(7), IPv4, 51, 5*time.Second, 1), wall0.Add(time.Second))
	hear("third", third, wall0.Add(time.Second), 0)

	// Another port is another speaker, with a mark of its own.
	other := netip.AddrPortFrom(authFrom.Addr(), 1986)
	b := bytes.Clone(authMessage)
	b = newAuthenticator(testKey(7), IPv4, 51, 5*time.Second, 1).sign(b, b, other, wall0)
	if got := receiver.hear(b, other, wall0); got != 0 {
		t.Errorf("another speaker: %v", got)
	}
}

// A packet with a good signature and another fault moves no mark either: what it
// says last is not heard.
func TestReplayMarkMovesLast(t *testing.T) {
	out, in := codecPairs[4].pair(t) // version 2, whose interval must be ours
	p := out.out.build(150, 2*time.Second, wall0.Add(time.Second))[0]
	if got := in.in.inspect(&p, wall0); got != DropIntervalMismatch {
		t.Fatalf("another interval: %v", got)
	}
	out, _ = codecPairs[4].pair(t)
	p = out.out.build(150, time.Second, wall0)[0]
	if got := in.in.inspect(&p, wall0); got != 0 {
		t.Errorf("an older one: %v", got)
	}
}

// Two speakers may share an address and a key. What one has signed must not be
// taken for the other's: not sent on with another source port, and not sent back
// to the one who signed it.
func TestAdvertOfAnotherPort(t *testing.T) {
	sender, receiver := authPair(5 * time.Second)
	b := signed(sender, wall0)
	other := netip.AddrPortFrom(authFrom.Addr(), 1986)
	for name, a := range map[string]*authenticator{"sent on": receiver, "sent back": sender} {
		if got := a.hear(b, other, wall0); got != DropHMAC {
			t.Errorf("%s: %v, want %v", name, got, DropHMAC)
		}
	}
	if got := receiver.hear(b, authFrom, wall0); got != 0 {
		t.Errorf("from the speaker itself: %v", got)
	}
}

// A clock that was wrong and is right again: its marks fall out of the window,
// on both sides.
func TestReplayAfterClockStep(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		sender, receiver := authPair(5 * time.Second)
		check := func(name string, wall time.Time, want DropReason) {
			t.Helper()
			if got := receiver.hear(signed(sender, wall), authFrom, wall); got != want {
				t.Errorf("step %v: %s: %v, want %v", step, name, got, want)
			}
		}
		check("right", wall0, 0)
		check("stepped on both", wall0.Add(step), 0)
		check("and back", wall0.Add(time.Second), 0)
		check("and on", wall0.Add(2*time.Second), 0)
		// One side alone is outside of the window.
		b := signed(sender, wall0.Add(step))
		if got := receiver.hear(b, authFrom, wall0.Add(3*time.Second)); got != DropHMACStale {
			t.Errorf("step %v of the sender: %v, want %v", step, got, DropHMACStale)
		}
		check("back again", wall0.Add(4*time.Second), 0)
	}
	// A step within the window goes on from the last sequence.
	sender, receiver := authPair(5 * time.Second)
	for i, wall := range []time.Time{wall0, wall0.Add(-3 * time.Second), wall0.Add(-2 * time.Second), wall0.Add(time.Second)} {
		if got := receiver.hear(signed(sender, wall), authFrom, wall); got != 0 {
			t.Errorf("small step, advert %d: %v", i, got)
		}
	}
}

// Without clocks that agree: any time will do if it is later than the last one,
// and the sender never goes back.
func TestMonotonic(t *testing.T) {
	make := func() *authenticator {
		return newHMAC(&signing{active: testKey(7), monotonic: true}, IPv4, time.Second, 1)
	}
	sender, receiver := make(), make()
	var sent [][]byte
	for i, c := range []struct{ clock, receiver time.Duration }{
		{0, 0}, {time.Second, time.Hour}, {-time.Hour, -time.Hour}, {2 * time.Second, 0}, {24 * time.Hour, 0}, {3 * time.Second, 0},
	} {
		b := signed(sender, wall0.Add(c.clock))
		if got := receiver.hear(b, authFrom, wall0.Add(c.receiver)); got != 0 {
			t.Errorf("advert %d: %v", i, got)
		}
		sent = append(sent, b)
		for j, old := range sent {
			if got := receiver.hear(old, authFrom, wall0.Add(c.clock)); got != DropHMACReplay {
				t.Errorf("advert %d, sent again after advert %d: %v, want %v", j, i, got, DropHMACReplay)
			}
		}
	}
	// The price: who has just begun believes an old one, and a restart with an
	// earlier clock is not heard.
	if got := make().hear(sent[0], authFrom, wall0.Add(48*time.Hour)); got != 0 {
		t.Errorf("an old one first: %v", got)
	}
	if got := receiver.hear(signed(make(), wall0), authFrom, wall0); got != DropHMACReplay {
		t.Errorf("after a restart with an earlier clock: %v", got)
	}
}

// Each stage of a change of keys, on every pair of speakers that may meet: one
// that is at a stage with one that is at most a stage further.
func TestKeyRotation(t *testing.T) {
	old, next := testKey(1), testKey(2)
	stages := []Option{
		WithHMAC(old), WithHMAC(old, HMACAlso(next)), WithHMAC(next, HMACAlso(old)), WithHMAC(next),
	}
	for i := range stages {
		for j := range stages {
			a := testCodec(t, "192.0.2.1:0", vips4, []string{"192.0.2.2:0"}, stages[i])
			b := testCodec(t, "192.0.2.2:0", vips4, []string{"192.0.2.1:0"}, stages[j])
			p := a.out.build(150, time.Second, wall0)[0]
			var want DropReason
			if i < 2 && j == 3 || i >= 2 && j == 0 {
				want = DropHMACKey
			}
			if got := b.in.inspect(&p, wall0); got != want {
				t.Errorf("from stage %d to stage %d: %v, want %v", i, j, got, want)
			}
		}
	}
	// The same key number with another secret is a wrong signature.
	other, _ := NewHMACKey(1, bytes.Repeat([]byte("x"), 32))
	a := testCodec(t, "192.0.2.1:0", vips4, []string{"192.0.2.2:0"}, WithHMAC(old))
	b := testCodec(t, "192.0.2.2:0", vips4, []string{"192.0.2.1:0"}, WithHMAC(other))
	p := a.out.build(150, time.Second, wall0)[0]
	if got := b.in.inspect(&p, wall0); got != DropHMAC {
		t.Errorf("another secret: %v", got)
	}
}

// The same on two running routers: what they know of each other survives.
func TestKeyRotationLive(t *testing.T) {
	old, next := testKey(1), testKey(2)
	out, in := codecPair{"", "192.0.2.1:0", "192.0.2.2:0", vips4, []Option{WithHMAC(old)}}.pair(t)
	change := func(k *codec, opts ...Option) {
		c := defaults()
		for _, o := range opts {
			o(&c)
		}
		k.setDialect(&c)
	}
	wall := wall0
	var sent []Packet
	step := func(name string) {
		t.Helper()
		wall = wall.Add(time.Second)
		p := out.out.build(150, time.Second, wall)[0]
		p.Data = bytes.Clone(p.Data)
		if got := in.in.inspect(&p, wall); got != 0 {
			t.Errorf("%s: %v", name, got)
		}
		sent = append(sent, p)
		for i := range sent {
			if got := in.in.inspect(&sent[i], wall); got == 0 {
				t.Errorf("%s: advert %d is heard again", name, i)
			}
		}
	}
	step("old")
	change(in, WithHMAC(old, HMACAlso(next)))
	step("receiver knows both")
	change(out, WithHMAC(next, HMACAlso(old)))
	step("sender has changed")
	change(in, WithHMAC(next))
	step("receiver has forgotten the old one")
}

// modes x what comes: signed, unsigned, another key, stale, a replay. Only the
// unsigned one depends on the mode; and who does not sign is told apart too.
func TestHMACModes(t *testing.T) {
	modes := map[string]HMACOption{"enforce": nil, "permissive": HMACPermissive(), "receive-only": HMACReceiveOnly()}
	options := func(mode HMACOption, key HMACKey) Option {
		if mode == nil {
			return WithHMAC(key)
		}
		return WithHMAC(key, mode)
	}
	for receiver, mode := range modes {
		for _, c := range []struct {
			name  string
			opts  []Option
			at    time.Duration // of the sender's clock
			twice bool
			want  DropReason
		}{
			{"signed", []Option{WithHMAC(testKey(7))}, 0, false, 0},
			{"signed by a permissive speaker", []Option{WithHMAC(testKey(7), HMACPermissive())}, 0, false, 0},
			{"unsigned", nil, 0, false, DropHMACMissing},
			{"unsigned by a receive-only speaker", []Option{WithHMAC(testKey(7), HMACReceiveOnly())}, 0, false, DropHMACMissing},
			{"unknown key", []Option{WithHMAC(testKey(8))}, 0, false, DropHMACKey},
			{"stale", []Option{WithHMAC(testKey(7))}, -time.Minute, false, DropHMACStale},
			{"replay", []Option{WithHMAC(testKey(7))}, 0, true, DropHMACReplay},
		} {
			out := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, c.opts...)
			in := testCodec(t, "192.0.2.2:0", vips4, []string{"224.0.0.18:0"}, options(mode, testKey(7)))
			p := out.out.build(150, time.Second, wall0.Add(c.at))[0]
			if c.twice {
				in.in.inspect(&p, wall0)
			}
			want := c.want
			if want == DropHMACMissing && receiver != "enforce" {
				want = 0
			}
			got := in.in.inspect(&p, wall0)
			if got != want {
				t.Errorf("%s meets %s: %v, want %v", receiver, c.name, got, want)
			}
			if heard := in.in.heard.list(); got == 0 && (len(heard) != 1 || heard[0].Signed != (len(p.Data) > 12)) {
				t.Errorf("%s meets %s: heard %+v", receiver, c.name, heard)
			}
		}
		// A forged one is dropped in every mode.
		out := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, WithHMAC(testKey(7)))
		in := testCodec(t, "192.0.2.2:0", vips4, []string{"224.0.0.18:0"}, options(mode, testKey(7)))
		p := out.out.build(150, time.Second, wall0)[0]
		p.Data[2]++
		if got := in.in.inspect(&p, wall0); got != DropHMAC {
			t.Errorf("%s meets a forged one: %v", receiver, got)
		}
	}
}

// The roll-out that WithHMAC describes: at each step, speakers that have taken
// it and speakers that have not hear each other.
func TestHMACRollOut(t *testing.T) {
	key := testKey(7)
	stages := [][]Option{nil, {WithHMAC(key, HMACReceiveOnly())}, {WithHMAC(key, HMACPermissive())}, {WithHMAC(key)}}
	for i := 1; i < len(stages); i++ {
		for _, pair := range [][2]int{{i - 1, i}, {i, i - 1}, {i, i}} {
			out := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, stages[pair[0]]...)
			in := testCodec(t, "192.0.2.2:0", vips4, []string{"224.0.0.18:0"}, stages[pair[1]]...)
			p := out.out.build(150, time.Second, wall0)[0]
			if got := in.in.inspect(&p, wall0); got != 0 {
				t.Errorf("from stage %d to stage %d: %v", pair[0], pair[1], got)
			}
		}
	}
}

func TestHMACWindow(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		opts     []HMACOption
		want     time.Duration
	}{
		{"short interval", 100 * time.Millisecond, nil, 5 * time.Second},
		{"long interval", 20 * time.Second, nil, time.Minute},
		{"longest", 200 * time.Second, nil, 300 * time.Second},
		{"given", 20 * time.Second, []HMACOption{HMACWindow(2 * time.Second)}, 2 * time.Second},
	} {
		k := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, WithHMAC(testKey(7), c.opts...))
		k.setInterval(c.interval)
		if got := k.hmac.window; got != sequenceSpan(c.want) {
			t.Errorf("%s: window %d, want %v", c.name, got, c.want)
		}
	}
}

func TestSequenceWraps(t *testing.T) {
	end := time.Unix(1<<32-1, 999_999_999) // 2106
	a, b := sequenceAt(end), sequenceAt(end.Add(time.Second))
	if !b.newer(a) || a.newer(b) {
		t.Error("the sequence does not wrap")
	}
	if d, one := b.distance(a), sequenceSpan(time.Second); d != one || a.distance(b) != one {
		t.Errorf("distance = %x, want %x", d, one)
	}
	if got := sequenceSpan(1500 * time.Millisecond); got != 3<<31 {
		t.Errorf("sequenceSpan(1.5s) = %x", got)
	}
	sender, receiver := authPair(5 * time.Second)
	for i := range 4 {
		wall := end.Add(time.Duration(i-2) * time.Second)
		if got := receiver.hear(signed(sender, wall), authFrom, wall); got != 0 {
			t.Errorf("at %v: %v", wall, got)
		}
	}
}

func TestMarksForgetTheOldestSpeaker(t *testing.T) {
	m := newMarks(2)
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(authFrom.Addr(), uint16(i)) }
	for i := range minMarks {
		m.set(at(i), sequence(i))
	}
	m.set(at(0), 100)
	m.set(at(minMarks), 200) // takes the place of 1
	for i, want := range []bool{true, false, true, true, true} {
		if got := m.find(at(i)) != nil; got != want {
			t.Errorf("speaker %d known = %v, want %v", i, got, want)
		}
	}
	if got := m.find(at(0)).seq; got != 100 {
		t.Errorf("mark = %d, want 100", got)
	}
	if n := len(newMarks(minMarks + 5).slots); n != minMarks+5 {
		t.Errorf("%d slots for %d peers", n, minMarks+5)
	}
	if m.grow(2); len(m.slots) != minMarks {
		t.Errorf("%d slots after it grew to 2", len(m.slots))
	}
	if m.grow(minMarks + 2); len(m.slots) != minMarks+2 || m.find(at(0)) == nil {
		t.Errorf("%d slots after it grew by 2, and 0 is %v", len(m.slots), m.find(at(0)))
	}
}

func TestNewHMACKey(t *testing.T) {
	for _, c := range []struct {
		id   uint8
		size int
		want string
	}{
		{1, 32, ""}, {255, 64, ""}, {0, 32, "id 0 is outside 1..255"}, {1, 31, "31 bytes, outside 32..64"}, {1, 65, "65 bytes, outside 32..64"},
	} {
		key, err := NewHMACKey(c.id, make([]byte, c.size))
		if c.want == "" {
			if err != nil || key.ID() != c.id {
				t.Errorf("NewHMACKey(%d, %d bytes) = %v, %v", c.id, c.size, key, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewHMACKey(%d, %d bytes) = %v, want %q", c.id, c.size, err, c.want)
		}
	}
	secret := bytes.Repeat([]byte("x"), 32)
	key, _ := NewHMACKey(1, secret)
	same, _ := NewHMACKey(1, bytes.Clone(secret))
	secret[0] = 'y'
	if key != same {
		t.Error("the key follows the caller's slice")
	}
}

func TestHMACKeyIsNotPrinted(t *testing.T) {
	key := testKey(7)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", key, "nested", struct{ Key HMACKey }{key})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key, "nested", struct{ Key HMACKey }{key})
	doc, _ := json.Marshal(struct{ Key HMACKey }{key})
	for _, s := range []string{
		fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s %q %x %d", key, key, key, key, key, key, key),
		fmt.Sprintf("%v %+v %#v", &key, []HMACKey{key}, struct{ K HMACKey }{key}), log.String(), string(doc),
	} {
		if strings.Contains(s, "secret") || strings.Contains(s, hex.EncodeToString([]byte("secret"))) || !strings.Contains(s, "hmac-key-7") {
			t.Errorf("printed as %s", s)
		}
	}
}
