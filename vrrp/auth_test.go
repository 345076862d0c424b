package vrrp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
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

func authPair(window time.Duration) (sender, receiver *authenticator) {
	return newAuthenticator(testKey(7), IPv4, 51, window, 1), newAuthenticator(testKey(7), IPv4, 51, window, 1)
}

func signed(a *authenticator, wall time.Time) []byte {
	return a.sign(bytes.Clone(authMessage), authMessage, authFrom, wall)
}

var authMessage = func() []byte {
	a := Advert{VRID: 51, Priority: 150, Interval: time.Second, Addrs: addrs("192.0.2.100")}
	b, err := a.AppendTo(nil, authFrom.Addr(), authTo.Addr())
	if err != nil {
		panic(err)
	}
	return b
}()

// The layout of draft-cassen-vrrp-auth-hmac, written down independently.
func TestTrailerLayout(t *testing.T) {
	secret := []byte(fmt.Sprintf("%-32s", "secret 7"))
	for _, c := range []struct {
		name, src, pseudo string
		port              uint16
		family            Family
	}{
		{"IPv4", "192.0.2.1", "04033300" + "c0000201" + strings.Repeat("00", 12), 0, IPv4},
		{"IPv6", "fe80::1", "06033300" + "fe80" + strings.Repeat("00", 13) + "01", 0, IPv6},
		{"UDP", "192.0.2.1", "04033300" + "c0000201" + strings.Repeat("00", 12) + "07c1", 1985, IPv4}, // the port is our own
	} {
		a := newAuthenticator(testKey(7), c.family, 51, 5*time.Second, 1)
		got := a.sign(nil, authMessage, netip.AddrPortFrom(netip.MustParseAddr(c.src), c.port), wall0)

		prefix, _ := hex.DecodeString("01" + "07" + "0000" + "6553f100" + "1000" + "0000")
		input, _ := hex.DecodeString(c.pseudo)
		input = append(input, authMessage[:6]...)
		input = append(input, 0, 0) // the checksum
		input = append(input, authMessage[8:]...)
		input = append(input, prefix...)
		input = append(input, make([]byte, 16)...)
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		if want := append(prefix, mac.Sum(nil)[:16]...); !bytes.Equal(got, want) {
			t.Errorf("%s: sign() = %x, want %x", c.name, got, want)
		}
	}
}

func TestTrailerDrops(t *testing.T) {
	sender, _ := authPair(5 * time.Second)
	good := signed(sender, wall0)
	n := len(authMessage)
	edit := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
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
		{"another checksum", edit(func(b []byte) []byte { b[6]++; return b }), authFrom, wall0, 0},
		{"missing", good[:n], authFrom, wall0, DropHMACMissing},
		{"cut", good[:n+27], authFrom, wall0, DropLength},
		{"too long", append(bytes.Clone(good), 0), authFrom, wall0, DropLength},
		{"type 2", edit(func(b []byte) []byte { b[n] = 2; return b }), authFrom, wall0, DropHMACMalformed},
		{"another key", edit(func(b []byte) []byte { b[n+1] = 8; return b }), authFrom, wall0, DropHMACKey},
		{"clock 5.1 s ahead", good, authFrom, wall0.Add(5100 * time.Millisecond), DropHMACStale},
		{"clock 5.1 s behind", good, authFrom, wall0.Add(-5100 * time.Millisecond), DropHMACStale},
		{"from another address", good, authTo, wall0, DropHMAC},
		{"another priority", edit(func(b []byte) []byte { b[2]++; return b }), authFrom, wall0, DropHMAC},
		{"reserved bits", edit(func(b []byte) []byte { b[n+2] = 1; return b }), authFrom, wall0, DropHMAC},
		{"later", edit(func(b []byte) []byte { b[n+11]++; return b }), authFrom, wall0, DropHMAC},
		{"last bit", edit(func(b []byte) []byte { b[n+27] ^= 1; return b }), authFrom, wall0, DropHMAC},
	} {
		_, receiver := authPair(5 * time.Second)
		if got := receiver.verify(c.b, n, c.from, c.wall); got != c.want {
			t.Errorf("%s: verify() = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestReplay(t *testing.T) {
	sender, receiver := authPair(5 * time.Second)
	verify := func(name string, b []byte, wall time.Time, want DropReason) {
		t.Helper()
		if got := receiver.verify(b, len(authMessage), authFrom, wall); got != want {
			t.Errorf("%s: verify() = %v, want %v", name, got, want)
		}
	}
	first, second := signed(sender, wall0), signed(sender, wall0)
	verify("first", first, wall0, 0)
	verify("first again", first, wall0, DropHMACReplay)
	verify("second, of the same moment", second, wall0, 0)
	verify("first, overtaken", first, wall0, DropHMACReplay)

	// What is not verified moves no mark, however new it says it is.
	forged := signed(sender, wall0.Add(4*time.Second))
	forged[len(forged)-1] ^= 1
	verify("forged", forged, wall0, DropHMAC)
	third := signed(newAuthenticator(testKey(7), IPv4, 51, 5*time.Second, 1), wall0.Add(time.Second))
	verify("third", third, wall0.Add(time.Second), 0)

	// Another port is another speaker, with a mark of its own.
	other := netip.AddrPortFrom(authFrom.Addr(), 1986)
	b := bytes.Clone(authMessage)
	b = newAuthenticator(testKey(7), IPv4, 51, 5*time.Second, 1).sign(b, b, other, wall0)
	if got := receiver.verify(b, len(authMessage), other, wall0); got != 0 {
		t.Errorf("another speaker: verify() = %v", got)
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
		if got := a.verify(b, len(authMessage), other, wall0); got != DropHMAC {
			t.Errorf("%s: verify() = %v, want %v", name, got, DropHMAC)
		}
	}
	if got := receiver.verify(b, len(authMessage), authFrom, wall0); got != 0 {
		t.Errorf("from the speaker itself: verify() = %v", got)
	}
}

// A clock that was wrong and is right again: its marks fall out of the window,
// on both sides.
func TestReplayAfterClockStep(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		sender, receiver := authPair(5 * time.Second)
		check := func(name string, wall time.Time, want DropReason) {
			t.Helper()
			if got := receiver.verify(signed(sender, wall), len(authMessage), authFrom, wall); got != want {
				t.Errorf("step %v: %s: verify() = %v, want %v", step, name, got, want)
			}
		}
		check("right", wall0, 0)
		check("stepped on both", wall0.Add(step), 0)
		check("and back", wall0.Add(time.Second), 0)
		check("and on", wall0.Add(2*time.Second), 0)
		// One side alone is outside of the window.
		b := signed(sender, wall0.Add(step))
		if got := receiver.verify(b, len(authMessage), authFrom, wall0.Add(3*time.Second)); got != DropHMACStale {
			t.Errorf("step %v of the sender: verify() = %v, want %v", step, got, DropHMACStale)
		}
		check("back again", wall0.Add(4*time.Second), 0)
	}
	// A step within the window goes on from the last sequence.
	sender, receiver := authPair(5 * time.Second)
	for i, wall := range []time.Time{wall0, wall0.Add(-3 * time.Second), wall0.Add(-2 * time.Second), wall0.Add(time.Second)} {
		if got := receiver.verify(signed(sender, wall), len(authMessage), authFrom, wall); got != 0 {
			t.Errorf("small step, advert %d: verify() = %v", i, got)
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
		if got := receiver.verify(signed(sender, wall), len(authMessage), authFrom, wall); got != 0 {
			t.Errorf("at %v: verify() = %v", wall, got)
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
	if n := len(newMarks(9).slots); n != 9 {
		t.Errorf("%d slots for 9 peers", n)
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
