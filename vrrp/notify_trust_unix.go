//go:build unix && !aix

package vrrp

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSymlinks is how many symbolic links lead to a program at most, as in
// Linux.
const maxSymlinks = 40

// trustProgram refuses what is no program. For root it walks the path as the
// kernel does, and refuses whatever anybody else could exchange.
func trustProgram(path string, root bool) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not an executable file (%v)", path, info.Mode())
	case root:
		if err := trustPath(path); err != nil {
			return fmt.Errorf("not as root: %w", err)
		}
	}
	return nil
}

func trustPath(path string) error {
	at, links := "/", 0
	for todo := steps(path); ; {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if links++; links > maxSymlinks {
				return &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			todo = append(steps(target), todo...)
			if err := trustOwner(at, info); err != nil {
				return err
			}
			if at = filepath.Dir(at); filepath.IsAbs(target) {
				at = "/"
			}
		} else if err := trustFile(at, info); err != nil {
			return err
		}
		if len(todo) == 0 {
			return nil
		}
		at, todo = filepath.Join(at, todo[0]), todo[1:] // ".." leads to a directory that is trusted already
	}
}

// steps are the parts of a path. ".." stays: it is not what it looks like
// behind a symbolic link.
func steps(path string) (parts []string) {
	for _, p := range strings.Split(path, "/") {
		if p != "" && p != "." {
			parts = append(parts, p)
		}
	}
	return parts
}

// trustFile refuses a file or directory that others can change. In a directory
// with the sticky bit they cannot touch what belongs to root.
func trustFile(path string, info fs.FileInfo) error {
	if err := trustOwner(path, info); err != nil {
		return err
	}
	mode := info.Mode()
	others := mode.Perm() & 0o002
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Gid != 0 {
		others |= mode.Perm() & 0o020
	}
	if others != 0 && !(mode.IsDir() && mode&fs.ModeSticky != 0) {
		return fmt.Errorf("%s can be written by others than root (%v)", path, mode)
	}
	return nil
}

func trustOwner(path string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
		return fmt.Errorf("%s does not belong to root", path)
	}
	return nil
}
