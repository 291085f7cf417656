package vfs

import "strings"

// MaxSymlinks bounds the symbolic links followed in one path, to as many as Linux does. os.Root stops after 8, POSIX's least SYMLOOP_MAX.
const MaxSymlinks = 40

// Tree is what Resolve needs to know of a backend. N is a file, or a name for it.
type Tree[N any] interface {
	// Lookup finds an entry of a directory; the name is neither "." nor "..". It does not follow symbolic links.
	Lookup(dir N, name string) (N, FileType, error)
	// Target returns where a symbolic link leads.
	Target(link N) (string, error)
}

// Found is where a path leads. Name is "." if the path ends in "." or "..": then Node and Dir are the same directory.
type Found[N any] struct {
	Dir    N
	Name   string
	Node   N // if Exists
	Type   FileType
	Exists bool
	Slash  bool // the path, or the link that it ended in, ended in a slash
}

// Resolve walks a path from root, which it never leaves. A missing last component is no error: Exists is false. follow says whether a
// symbolic link in the last component is followed; with a slash after it, it always is.
func Resolve[N any](t Tree[N], root N, path string, follow bool) (Found[N], error) {
	var (
		stack = []N{root} // from root to where the walk stands: ".." pops
		rest  = path
		links int
		f     Found[N]
	)
	if strings.HasPrefix(path, "/") {
		return f, EPERM
	}
	for {
		name, tail := cut(rest)
		last := tail == ""
		if last && strings.HasSuffix(rest, "/") {
			f.Slash = true
		}
		here := stack[len(stack)-1]
		switch {
		case name == "" || name == ".":
		case name == "..":
			if len(stack) == 1 {
				return f, EPERM
			}
			stack = stack[:len(stack)-1]
		case len(name) > MaxName:
			return f, ENAMETOOLONG
		default:
			node, typ, err := t.Lookup(here, name)
			if err == ENOENT && last {
				f.Dir, f.Name = here, name
				return f, nil
			}
			if err != nil {
				return f, err
			}
			if typ == TypeSymlink && (!last || follow || f.Slash) {
				if links++; links > MaxSymlinks {
					return f, ELOOP
				}
				target, err := t.Target(node)
				if err != nil {
					return f, err
				}
				if strings.HasPrefix(target, "/") {
					return f, EPERM
				}
				if !last {
					target += "/" + tail
				}
				rest = target
				continue
			}
			if typ != TypeDirectory {
				if !last || f.Slash {
					return f, ENOTDIR
				}
			}
			if last {
				f.Dir, f.Name, f.Node, f.Type, f.Exists = here, name, node, typ, true
				return f, nil
			}
			stack = append(stack, node)
		}
		if last {
			top := stack[len(stack)-1]
			f.Dir, f.Name, f.Node, f.Type, f.Exists = top, ".", top, TypeDirectory, true
			return f, nil
		}
		rest = tail
	}
}

// cut takes the first component off a path; tail is "" if nothing but slashes follows.
func cut(p string) (name, tail string) {
	i := strings.IndexByte(p, '/')
	if i < 0 {
		return p, ""
	}
	return p[:i], strings.TrimLeft(p[i:], "/")
}
