package vrrp

import (
	"bytes"
	"log/slog"
)

// Bounds of what is logged of one program.
const (
	maxOutputLines = 64
	maxOutputLine  = 1024
)

// lineLog logs what a program prints, line by line. It takes everything, so
// that the program never waits, and logs no more than its bounds.
type lineLog struct {
	log   *slog.Logger
	line  []byte // as far as it has come
	lines int    // logged
	lost  int    // bytes beyond the bounds
}

func newLineLog(log *slog.Logger) *lineLog { return &lineLog{log: log} }

// Write takes what comes. It never fails.
func (l *lineLog) Write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			l.keep(p)
			return n, nil
		}
		l.keep(p[:end])
		l.flush()
		p = p[end+1:]
	}
}

// keep adds to the line.
func (l *lineLog) keep(p []byte) {
	room := maxOutputLine - len(l.line)
	if l.lines == maxOutputLines {
		room = 0
	}
	room = min(room, len(p))
	l.line = append(l.line, p[:room]...)
	l.lost += len(p) - room
}

// flush logs the line.
func (l *lineLog) flush() {
	if len(l.line) > 0 {
		l.log.Info("notify script", "output", string(l.line))
		l.lines++
	}
	l.line = l.line[:0]
}

// close logs what is left.
func (l *lineLog) close() {
	l.flush()
	if l.lost > 0 {
		l.log.Info("notify script", "output_lost_bytes", l.lost)
	}
}
