package vrrp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNewPassword(t *testing.T) {
	for _, c := range []struct {
		text string
		want Password
		err  string
	}{
		{"a", Password{'a'}, ""},
		{"secret12", Password{'s', 'e', 'c', 'r', 'e', 't', '1', '2'}, ""},
		{"", Password{}, "has 0 bytes, outside 1..8"},
		{"secret123", Password{}, "has 9 bytes, outside 1..8"},
	} {
		got, err := NewPassword(c.text)
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("NewPassword(%q) = %x, %v, want %x, %q", c.text, [8]byte(got), err, [8]byte(c.want), c.err)
		}
		if err != nil && c.text != "" && strings.Contains(err.Error(), c.text) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	p, err := NewPassword("secret12")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	a := v2(150, 1, "secret12", "192.0.2.100")
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", p, "advert", a)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", p, "advert", a)
	doc, _ := json.Marshal(a)
	heard := decode(golden[goldenPassword].bytes(), golden[goldenPassword].src(), golden[goldenPassword].dst(), 255, false)
	for _, s := range []string{
		fmt.Sprint(p), fmt.Sprintf("%v %+v %#v %s %q %x %d", p, p, p, p, p, p, p), fmt.Sprintf("%v %+v %#v", &p, []Password{p}, struct{ P Password }{p}),
		fmt.Sprintf("%v %+v %#v", a, &a, a), log.String(), string(doc), heard.String(), fmt.Sprintf("%+v", heard),
	} {
		if strings.Contains(s, "secret") || strings.Contains(s, hex.EncodeToString([]byte("secret"))) || strings.Contains(s, "115 101 99") || !strings.Contains(s, "password") {
			t.Errorf("printed as %s", s)
		}
	}
}
