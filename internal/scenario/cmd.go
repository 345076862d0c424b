package scenario

import "strings"

// Cmd is one block of a script.
type Cmd struct {
	Name string   // the first word
	Args []string // the words after it
	Body string   // the lines up to "----", each with its newline
	Pos  string   // "file:line" of the command
}

// Arg returns the value of the argument key=value; false when there is none.
func (c *Cmd) Arg(key string) (string, bool) {
	for _, a := range c.Args {
		if k, v, ok := strings.Cut(a, "="); ok && k == key {
			return v, true
		}
	}
	return "", false
}

// Positional returns the arguments without an equals sign.
func (c *Cmd) Positional() []string {
	var args []string
	for _, a := range c.Args {
		if !strings.Contains(a, "=") {
			args = append(args, a)
		}
	}
	return args
}
