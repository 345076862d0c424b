package ratelimit

import (
	"math/big"
	"regexp"
	"strings"
	"testing"
)

func TestParseRate(t *testing.T) {
	for _, test := range []struct {
		text  string
		milli int64 // what nginx computes with
	}{
		{"1r/s", 1000},
		{"10r/s", 10_000},
		{"10", 10_000},
		{"007r/s", 7000},
		{"1r/m", 16},
		{"7r/m", 116},
		{"30r/m", 500},
		{"59r/m", 983},
		{"60r/m", 1000},
		{"61r/m", 1016},
		{"1000r/m", 16_666},
		{"4294967r/s", 4_294_967_000},
		{"4294967r/m", 71_582_783},
	} {
		got, err := parseRate(test.text)
		if err != nil || got != test.milli {
			t.Errorf("parseRate(%q) = %d, %v, want %d", test.text, got, err, test.milli)
		}
		limit, err := ParseRate(test.text)
		if err != nil || limit != Limit(test.milli)/1000 {
			t.Errorf("ParseRate(%q) = %v, %v", test.text, limit, err)
		}
		if z := mustZone[string](t, test.text); z.Limit() != limit || z.Snapshot().Rate != float64(limit) {
			t.Errorf("zone of %q: Limit() = %v", test.text, z.Limit())
		}
	}
}

func TestParseRateErrors(t *testing.T) {
	for _, text := range []string{
		"", "r/s", "r/m", "0r/s", "0", "00r/m", "-1r/s", "+1r/s", "1.5r/s", " 1r/s", "1r/s ", "1 r/s", "10r/h", "10R/S",
		"10r", "10/s", "10r/s/s", "10r/sr/s", "r/s10", "rate=10r/s", "0x10r/s", "1_000r/s", "١r/s", "4294968r/s",
		"99999999999999999999999r/s", "Inf", "1e3r/s",
	} {
		_, err := ParseRate(text)
		if err == nil {
			t.Errorf("ParseRate(%q): no error", text)
			continue
		}
		if !strings.HasPrefix(err.Error(), "ratelimit: rate ") || !strings.Contains(err.Error(), `"`+text+`"`) {
			t.Errorf("ParseRate(%q): error does not name it: %v", text, err)
		}
		if _, err := NginxZone[string](text); err == nil {
			t.Errorf("NginxZone(%q): no error", text)
		}
	}
}

var rateForm = regexp.MustCompile(`^0*([0-9]+?)(r/s|r/m)?$`)

func FuzzRate(f *testing.F) {
	for _, text := range []string{"10r/s", "30r/m", "1", "0r/s", "4294967r/s", "4294968r/m", "r/s", "-1r/s", "1r/h", "٣r/s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 100 {
			return // the oracle is slow
		}
		got, err := parseRate(text)
		m := rateForm.FindStringSubmatch(text)
		if m == nil {
			if err == nil {
				t.Fatalf("parseRate(%q) = %d", text, got)
			}
			return
		}
		n, _ := new(big.Int).SetString(m[1], 10)
		valid := n.Sign() > 0 && n.Cmp(big.NewInt(maxRate)) <= 0
		if valid != (err == nil) {
			t.Fatalf("parseRate(%q) = %d, %v", text, got, err)
		}
		if !valid {
			return
		}
		n.Mul(n, big.NewInt(1000))
		if m[2] == "r/m" {
			n.Div(n, big.NewInt(60))
		}
		if got != n.Int64() || got < 1 || got >= 1<<32 {
			t.Fatalf("parseRate(%q) = %d, want %v", text, got, n)
		}
	})
}
