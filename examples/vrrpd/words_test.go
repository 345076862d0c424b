package main

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		name, text string
		ends       separator
		want       []string
	}{
		{"nothing", "", inFile, nil},
		{"only space", " \t\r\n", inFile, nil},
		{"lines", "-vrid 51\n-vip 192.0.2.1/24\r\n", inFile, []string{"-vrid", "51", "-vip", "192.0.2.1/24"}},
		{"a comment line", "# all of it\n-vrid 51", inFile, []string{"-vrid", "51"}},
		{"a comment at the end", "-vrid 51 # ours", inFile, []string{"-vrid", "51"}},
		{"no comment within a word", "-name a#b", inFile, []string{"-name", "a#b"}},
		{"single quotes", `-track '0:test "$x" = \a'`, inFile, []string{"-track", `0:test "$x" = \a`}},
		{"double quotes", `-track "0:test \"a\" \\ \b"`, inFile, []string{"-track", `0:test "a" \ \b`}},
		{"quotes within a word", `-track=0:'a b'"c d"`, inFile, []string{"-track=0:a bc d"}},
		{"an empty word", `-notify '' ""`, inFile, []string{"-notify", "", ""}},
		{"a quoted newline", "'a\nb'", inFile, []string{"a\nb"}},
		{"a line continued", "-vrid \\\n51", inFile, []string{"-vrid", "51"}},
		{"an escaped space", `a\ b`, inFile, []string{"a b"}},
		{"an escaped comment", `\# a`, inFile, []string{"#", "a"}},
		{"pairs", "vrid=51,priority=100", inInstance, []string{"vrid=51", "priority=100"}},
		{"a quoted comma", `vrid=51,track="-20,rise=2:a b"`, inInstance, []string{"vrid=51", "track=-20,rise=2:a b"}},
		{"an escaped comma", `track=-20\,rise=2:a`, inInstance, []string{"track=-20,rise=2:a"}},
		{"no comment between pairs", "#a,b", inInstance, []string{"#a", "b"}},
		{"empty pairs", ",,a,,", inInstance, []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := words(c.text, c.ends)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("words(%q) = %q, %v, want %q", c.text, got, err, c.want)
			}
		})
	}
}

func TestWordsRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"open single quote", "a\n'b", "line 2: no closing '"},
		{"open double quote", `"a\"`, `line 1: no closing "`},
		{"open after a quoted newline", "'a\nb' \"", "line 2"},
		{"open after an escaped newline", "a \\\n \"", "line 2"},
		{"a last backslash", "a\n\nb\\", "line 3: nothing after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := words(c.text, inFile); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("words(%q) = %q, %v, want an error with %q", c.text, got, err, c.want)
			}
		})
	}
}

// FuzzWords quotes what came out, and wants the same again.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"-vrid 51 # x\n-vip '1 2'", `a"b\"c"\ d`, "'", "\\", "\\\n'\n'\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := words(text, inFile)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range got {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := words(strings.Join(quoted, " "), inFile)
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("%q is read as %q, and that, quoted, as %q, %v", text, got, again, err)
		}
	})
}
