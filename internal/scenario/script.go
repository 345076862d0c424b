package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	dashes = "----"
	blanks = " \t" // what separates words
)

// script is one file, taken apart so that it can be written again.
type script struct {
	blocks []block
	tail   string // comments after the last block
}

// block is a command and what it should print.
type block struct {
	head string // as written: comments, command, body and the first dashes
	cmd  Cmd
	want string
}

// parse reads a script; name is that of the file, for positions.
func parse(name, text string) (*script, error) {
	r := reader{lines: strings.SplitAfter(text, "\n")}
	s := new(script)
	for {
		b, ok, err := r.block(name)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, r.at, err)
		}
		if !ok {
			s.tail = b.head
			return s, nil
		}
		s.blocks = append(s.blocks, b)
	}
}

// String is the text of the script; parse undoes it.
func (s *script) String() string {
	var out strings.Builder
	for i, b := range s.blocks {
		out.WriteString(b.head)
		out.WriteString(render(b.want))
		if i < len(s.blocks)-1 || s.tail != "" {
			out.WriteString("\n")
		}
	}
	out.WriteString(s.tail)
	return out.String()
}

// render is an output as it stands in the file after the first dashes.
func render(want string) string {
	plain := "\n" + want
	if strings.Contains(plain, "\n\n") || strings.HasPrefix(want, dashes+"\n") {
		return dashes + "\n" + want + dashes + "\n" + dashes + "\n"
	}
	return want
}

// reader takes lines, each with its newline, one by one.
type reader struct {
	lines []string
	at    int // lines taken: the number of the last one
}

// next takes a line and returns it with and without its newline; false at the
// end. It drops the carriage returns that a checkout on Windows may have added.
func (r *reader) next() (raw, line string, ok bool) {
	if r.at == len(r.lines) || r.at == len(r.lines)-1 && r.lines[r.at] == "" {
		return "", "", false
	}
	line = strings.TrimRight(strings.TrimSuffix(r.lines[r.at], "\n"), "\r")
	r.at++
	return line + "\n", line, true
}

// block reads up to the end of the next block. Where there is none it returns
// false and what it passed over as the head.
func (r *reader) block(name string) (b block, ok bool, err error) {
	var head strings.Builder
	command := ""
	for command == "" {
		raw, line, ok := r.next()
		if !ok {
			return block{head: head.String()}, false, nil
		}
		head.WriteString(raw)
		if !strings.HasPrefix(line, "#") {
			command = strings.Trim(line, blanks)
		}
	}
	if command == dashes {
		return b, false, fmt.Errorf("%s without a command", dashes)
	}
	words, err := split(command)
	if err != nil {
		return b, false, err
	}
	b.cmd = Cmd{Name: words[0], Args: words[1:], Pos: fmt.Sprintf("%s:%d", name, r.at)}
	var body strings.Builder
	for {
		raw, line, ok := r.next()
		if !ok {
			return b, false, fmt.Errorf("no %s after %s at %s", dashes, b.cmd.Name, b.cmd.Pos)
		}
		head.WriteString(raw)
		if line == dashes {
			break
		}
		body.WriteString(raw)
	}
	b.head, b.cmd.Body = head.String(), body.String()
	b.want, err = r.output()
	return b, err == nil, err
}

// output reads what follows the first dashes of a block.
func (r *reader) output() (string, error) {
	var out strings.Builder
	raw, line, ok := r.next()
	if line != dashes {
		for ; ok && line != ""; raw, line, ok = r.next() {
			out.WriteString(raw)
		}
		return out.String(), nil
	}
	const end = "\n" + dashes + "\n" + dashes + "\n"
	for {
		raw, _, ok = r.next()
		if !ok {
			return "", fmt.Errorf("doubled %s are not closed", dashes)
		}
		out.WriteString(raw)
		if text := "\n" + out.String(); strings.HasSuffix(text, end) {
			if _, line, _ := r.next(); line != "" {
				r.at-- // not the blank line between blocks
			}
			return strings.TrimPrefix(strings.TrimSuffix(text, end[1:]), "\n"), nil
		}
	}
}

// split cuts a line into words; a part in double quotes is unquoted.
func split(line string) ([]string, error) {
	var words []string
	for rest := line; ; {
		rest = strings.TrimLeft(rest, blanks)
		if rest == "" {
			return words, nil
		}
		var word strings.Builder
		for rest != "" && strings.IndexByte(blanks, rest[0]) < 0 {
			if rest[0] != '"' {
				word.WriteByte(rest[0])
				rest = rest[1:]
				continue
			}
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("unclosed or invalid quotes: %s", rest)
			}
			text, _ := strconv.Unquote(quoted) // QuotedPrefix has checked it
			word.WriteString(text)
			rest = rest[len(quoted):]
		}
		words = append(words, word.String())
	}
}
