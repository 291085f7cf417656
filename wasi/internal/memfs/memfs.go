// Package memfs is a writable file system in memory, made for /tmp: it has directories, files, hard and symbolic links,
// times, and a bound on what it may hold.
//
// Locking: FS.mu guards the tree: every directory's entries, names, link counts, and every node's times. A file's contents have a
// lock of their own, node.data.mu, taken last. An open file's offset lock, file.mu, is taken first.
package memfs

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// FS is a file system in memory. It may be mounted in several places, and outlives what mounts it.
type FS struct {
	limit int64
	used  atomic.Int64 // bytes of files and nodes, by size, not by what is filled

	mu   sync.RWMutex
	root *node
	ino  uint64 // guarded by mu: last one given
}

// nodeCost is what a node counts against the limit besides its contents, so that empty files are bounded too.
const nodeCost = 512

// New makes an empty file system that holds at most limit bytes.
func New(limit int64) *FS {
	f := &FS{limit: limit}
	f.root = f.newNode(vfs.TypeDirectory)
	f.root.parent = f.root
	f.root.nlink = 1
	return f
}

// node is a file, directory or symbolic link.
type node struct {
	ino    uint64
	typ    vfs.FileType
	target string // of a symbolic link

	// Guarded by FS.mu.
	nlink   uint64
	parent  *node // of a directory; nil once it is removed
	names   map[string]*entry
	order   []*entry // of a directory, by cookie
	cookies uint64   // last one given

	data  contents
	atime atomic.Int64
	mtime atomic.Int64
	ctime atomic.Int64
}

// entry is a name in a directory. Cookies only grow, so that an entry's place is known by a number that nothing else shifts.
type entry struct {
	name   string
	cookie uint64
	node   *node
}

// firstCookie follows those of "." and "..".
const firstCookie = 2

func (f *FS) newNode(t vfs.FileType) *node {
	f.ino++
	n := &node{ino: f.ino, typ: t, cookies: firstCookie}
	if t == vfs.TypeDirectory {
		n.names = map[string]*entry{}
	}
	now := time.Now().UnixNano()
	n.atime.Store(now)
	n.mtime.Store(now)
	n.ctime.Store(now)
	return n
}

// reserve takes n bytes from the limit.
func (f *FS) reserve(n int64) error {
	if f.used.Add(n) > f.limit {
		f.used.Add(-n)
		return vfs.ENOSPC
	}
	return nil
}

func (n *node) touch() {
	now := time.Now().UnixNano()
	n.mtime.Store(now)
	n.ctime.Store(now)
}

func (n *node) addLocked(name string, child *node) {
	n.cookies++
	e := &entry{name, n.cookies, child}
	n.names[name] = e
	n.order = append(n.order, e)
	if child.typ == vfs.TypeDirectory {
		child.parent = n
	}
	child.nlink++
	n.touch()
}

func (n *node) removeLocked(name string) {
	e := n.names[name]
	delete(n.names, name)
	i := sort.Search(len(n.order), func(i int) bool { return n.order[i].cookie >= e.cookie })
	n.order = append(n.order[:i], n.order[i+1:]...)
	e.node.nlink--
	e.node.ctime.Store(time.Now().UnixNano())
	n.touch()
}

// dropLocked gives back what a node without names holds, as soon as nothing has it open.
func (f *FS) dropLocked(n *node) {
	if n.nlink > 0 {
		return
	}
	n.parent = nil
	if n.data.orphan() {
		f.forget(n)
	}
}

func (f *FS) forget(n *node) {
	f.used.Add(-n.data.clear() - int64(len(n.target)) - nodeCost)
}

// Lookup implements vfs.Tree. Preconditions: FS.mu is held.
func (f *FS) Lookup(dir *node, name string) (*node, vfs.FileType, error) {
	e := dir.names[name]
	if e == nil {
		return nil, 0, vfs.ENOENT
	}
	return e.node, e.node.typ, nil
}

// Target implements vfs.Tree.
func (f *FS) Target(link *node) (string, error) { return link.target, nil }

func (f *FS) stat(n *node) vfs.Stat {
	s := vfs.Stat{
		Dev: 1, Ino: n.ino, Type: n.typ,
		Atim: uint64(n.atime.Load()), Mtim: uint64(n.mtime.Load()), Ctim: uint64(n.ctime.Load()),
	}
	f.mu.RLock()
	s.Nlink = n.nlink
	f.mu.RUnlock()
	switch n.typ {
	case vfs.TypeRegular:
		s.Size = uint64(n.data.size())
	case vfs.TypeSymlink:
		s.Size = uint64(len(n.target))
	}
	return s
}

func (n *node) setTimes(t vfs.Times) {
	if t.Atim != nil {
		n.atime.Store(*t.Atim)
	}
	if t.Mtim != nil {
		n.mtime.Store(*t.Mtim)
	}
	n.ctime.Store(time.Now().UnixNano())
}
