package vfs

import (
	"fmt"
	"strings"
	"testing"
)

// mapTree is a tree written as a map from path to "dir", "file" or "->target".
type mapTree map[string]string

func (m mapTree) Lookup(dir, name string) (string, FileType, error) {
	p := strings.TrimPrefix(dir+"/"+name, "/")
	switch v := m[p]; {
	case v == "dir":
		return p, TypeDirectory, nil
	case v == "file":
		return p, TypeRegular, nil
	case strings.HasPrefix(v, "->"):
		return p, TypeSymlink, nil
	}
	return "", 0, ENOENT
}

func (m mapTree) Target(link string) (string, error) { return strings.TrimPrefix(m[link], "->"), nil }

var tree = mapTree{
	"a": "dir", "a/b": "dir", "a/b/f": "file", "f": "file",
	"l": "->a/b", "up": "->..", "abs": "->/etc", "loop": "->loop", "a/back": "->../f", "slash": "->a/", "fslash": "->f/", "dangling": "->none",
	"a/out": "->../../x",
}

func init() { // c1 leads to f through as many links as are followed, c0 through one more
	for i := range MaxSymlinks {
		tree[fmt.Sprint("c", i)] = fmt.Sprint("->c", i+1)
	}
	tree[fmt.Sprint("c", MaxSymlinks)] = "->f"
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		path   string
		follow bool
		want   string // node, "dir+name" if missing, or the error
	}{
		{"a", true, "a"}, {"a/", true, "a"}, {"./a//b/./f", true, "a/b/f"}, {".", true, ""}, {"a/..", true, ""}, {"a/b/..", true, "a"},
		{"..", true, "EPERM"}, {"a/../..", true, "EPERM"}, {"a/../../a", true, "EPERM"}, {"/a", true, "EPERM"},
		{"none", true, "+none"}, {"none/x", true, "ENOENT"}, {"a/none", true, "a+none"}, {"none/..", true, "ENOENT"},
		{"f/x", true, "ENOTDIR"}, {"f/", true, "ENOTDIR"}, {"f/.", true, "ENOTDIR"}, {"f/..", true, "ENOTDIR"},
		{"l", false, "l"}, {"l", true, "a/b"}, {"l/", false, "a/b"}, {"l/f", false, "a/b/f"}, {"l/..", false, "a"},
		{"up", false, "up"}, {"up", true, "EPERM"}, {"up/", false, "EPERM"}, {"up/x", false, "EPERM"}, {"abs", false, "abs"}, {"abs", true, "EPERM"},
		{"loop", true, "ELOOP"}, {"loop", false, "loop"}, {"loop/x", false, "ELOOP"}, {"a/back", true, "f"}, {"a/out", true, "EPERM"},
		{"slash", true, "a"}, {"fslash", true, "ENOTDIR"}, {"dangling", true, "+none"}, {"dangling", false, "dangling"}, {"dangling/", false, "+none"},
		{"c1", true, "f"}, {"c0", true, "ELOOP"}, {strings.Repeat("n", 256), true, "ENAMETOOLONG"},
	} {
		f, err := Resolve(tree, "", c.path, c.follow)
		got := f.Node
		switch {
		case err != nil:
			got = ErrnoOf(err).String()
		case !f.Exists:
			got = f.Dir + "+" + f.Name
		}
		if got != c.want {
			t.Errorf("Resolve(%q, follow=%v) = %q, want %q", c.path, c.follow, got, c.want)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for p, want := range map[string]Errno{
		"a": Success, "": ENOENT, "/a": EPERM, "a\x00": EINVAL, "\xff": EILSEQ, strings.Repeat("x/", 2100): ENAMETOOLONG, "ä/ö": Success,
	} {
		if got := ErrnoOf(CheckPath(p)); got != want {
			t.Errorf("CheckPath(%.20q) = %v, want %v", p, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	for p, want := range map[string][3]string{
		"a": {".", "a", ""}, "a/": {".", "a", "/"}, "a/b": {"a", "b", ""}, "a//b//": {"a/", "b", "/"}, "./..": {".", "..", ""}, ".": {".", ".", ""},
	} {
		d, b, s := Split(p)
		if d != want[0] || b != want[1] || s != (want[2] == "/") {
			t.Errorf("Split(%q) = %q, %q, %v", p, d, b, s)
		}
	}
}
