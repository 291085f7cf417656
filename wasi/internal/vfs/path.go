package vfs

import (
	"strings"
	"unicode/utf8"
)

// MaxPath and MaxName bound paths and their components, in bytes.
const (
	MaxPath = 4095
	MaxName = 255
)

// CheckPath checks what a guest passed as a path below a directory. Absolute paths fail with EPERM like every other way out.
func CheckPath(p string) error {
	switch {
	case p == "":
		return ENOENT
	case len(p) > MaxPath:
		return ENAMETOOLONG
	case p[0] == '/':
		return EPERM
	case strings.IndexByte(p, 0) >= 0:
		return EINVAL
	case !utf8.ValidString(p):
		return EILSEQ
	}
	return nil
}

// Split returns the path of the directory that holds the last component, "." if the path has but one, and the component;
// slash says that the path ended in a slash.
func Split(p string) (dir, base string, slash bool) {
	t := strings.TrimRight(p, "/")
	slash = len(t) < len(p)
	i := strings.LastIndexByte(t, '/')
	if i < 0 {
		return ".", t, slash
	}
	return t[:i], t[i+1:], slash
}

// EndsInDot reports whether the last component is "." or "..": a name that cannot be made, moved or removed.
func EndsInDot(p string) bool {
	_, base, _ := Split(p)
	return base == "." || base == ".."
}
