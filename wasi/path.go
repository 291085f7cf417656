package wasi

import (
	"strings"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// at is a path argument: a directory in use, and a checked path below it.
type at struct {
	handle
	path string
}

// at reads a directory and a path. The rights say what for; a read-only mount answers for those that would change something.
func (e env) at(fd, ptr, n uint64, need rights) (x at, en errno) {
	h, en := e.s.fds.get(fd, need)
	if en != success {
		return x, en
	}
	x.handle = h
	if h.dir == nil {
		en = vfs.ENOTDIR
	} else if x.path, en = e.path(ptr, n); en == success && h.readOnly && need&rightsMutating != 0 {
		en = vfs.EROFS
	}
	if en != success {
		h.put()
	}
	return x, en
}

// notDot fails with code if the path's last component is "." or "..": names that cannot be made, moved or removed. What does not
// exist, or leads out, has that error instead.
func (x *at) notDot(code errno) error {
	if !vfs.EndsInDot(x.path) {
		return nil
	}
	if _, err := x.dir.StatPath(x.path, true); err != nil {
		return err
	}
	return code
}

// change runs an operation that makes or removes a name.
func (e env) change(fd, ptr, n uint64, need rights, dot errno, do func(d vfs.Dir, path string) error) errno {
	x, en := e.at(fd, ptr, n, need)
	if en != success {
		return en
	}
	defer x.put()
	if err := x.notDot(dot); err != nil {
		return vfs.ErrnoOf(err)
	}
	return vfs.ErrnoOf(do(x.dir, x.path))
}

func pathCreateDirectory(e env, a []uint64) errno {
	return e.change(a[0], a[1], a[2], rightPathCreateDirectory, vfs.EEXIST, vfs.Dir.Mkdir)
}

func pathRemoveDirectory(e env, a []uint64) errno {
	return e.change(a[0], a[1], a[2], rightPathRemoveDirectory, vfs.EINVAL, vfs.Dir.Rmdir)
}

func pathUnlinkFile(e env, a []uint64) errno {
	return e.change(a[0], a[1], a[2], rightPathUnlinkFile, vfs.EISDIR, vfs.Dir.Unlink)
}

func pathSymlink(e env, a []uint64) errno {
	// The target is no path that is opened now: any text that could be one later, but an absolute one never could.
	n := uint64(arg32(a[1]))
	if n > vfs.MaxPath {
		return vfs.ENAMETOOLONG
	}
	b, en := e.view(a[0], n)
	if en != success {
		return en
	}
	target := string(b)
	if err := vfs.CheckPath(target); err != nil {
		return vfs.ErrnoOf(err)
	}
	return e.change(a[2], a[3], a[4], rightPathSymlink, vfs.EEXIST, func(d vfs.Dir, path string) error { return d.Symlink(target, path) })
}

func pathFilestatGet(e env, a []uint64) errno {
	x, en := e.at(a[0], a[2], a[3], rightPathFilestatGet)
	if en != success {
		return en
	}
	defer x.put()
	if arg32(a[1]) > lookupFollow {
		return vfs.EINVAL
	}
	b, en := e.view(a[4], sizeFilestat)
	if en != success {
		return en
	}
	st, err := x.dir.StatPath(x.path, a[1]&lookupFollow != 0)
	if err != nil {
		return vfs.ErrnoOf(err)
	}
	putFilestat(b, &st)
	return success
}

func pathFilestatSetTimes(e env, a []uint64) errno {
	x, en := e.at(a[0], a[2], a[3], rightPathFilestatSetTimes)
	if en != success {
		return en
	}
	defer x.put()
	if arg32(a[1]) > lookupFollow {
		return vfs.EINVAL
	}
	t, err := newTimes(a[4], a[5], arg32(a[6]))
	if err == nil {
		err = x.dir.SetTimesPath(x.path, a[1]&lookupFollow != 0, t)
	}
	return vfs.ErrnoOf(err)
}

func pathReadlink(e env, a []uint64) errno {
	x, en := e.at(a[0], a[1], a[2], rightPathReadlink)
	if en != success {
		return en
	}
	defer x.put()
	buf, en := e.view(a[3], uint64(arg32(a[4])))
	if en != success {
		return en
	}
	if en := e.writable(a[5], 4); en != success {
		return en
	}
	target, err := x.dir.Readlink(x.path)
	if err != nil {
		return vfs.ErrnoOf(err)
	}
	return e.put32(a[5], uint32(copy(buf, target)))
}

// two reads the arguments of the calls with two paths.
func (e env) two(a []uint64, source, target rights) (from, to at, en errno) {
	from, en = e.at(a[0], a[1], a[2], source)
	if en != success {
		return from, to, en
	}
	to, en = e.at(a[3], a[4], a[5], target)
	if en != success {
		from.put()
	}
	return from, to, en
}

func pathRename(e env, a []uint64) errno {
	from, to, en := e.two(a, rightPathRenameSource, rightPathRenameTarget)
	if en != success {
		return en
	}
	defer from.put()
	defer to.put()
	err := from.notDot(vfs.EBUSY)
	if err == nil {
		err = to.notDot(vfs.EBUSY)
	}
	if err == nil {
		err = from.dir.Rename(from.path, to.dir, to.path)
	}
	return vfs.ErrnoOf(err)
}

func pathLink(e env, a []uint64) errno {
	if arg32(a[1]) != 0 {
		return vfs.EINVAL // following the old name is more than hosts offer
	}
	from, to, en := e.two([]uint64{a[0], a[2], a[3], a[4], a[5], a[6]}, rightPathLinkSource, rightPathLinkTarget)
	if en != success {
		return en
	}
	defer from.put()
	defer to.put()
	err := from.notDot(vfs.EPERM)
	if err == nil {
		err = to.notDot(vfs.EEXIST)
	}
	if err == nil {
		err = from.dir.Link(from.path, to.dir, to.path)
	}
	return vfs.ErrnoOf(err)
}

func pathOpen(e env, a []uint64) errno {
	lookup, oflags, fdflags := arg32(a[1]), arg32(a[4]), arg32(a[7])
	base, inheriting := rights(a[5]), rights(a[6])
	if lookup > lookupFollow || oflags > oAll || fdflags > uint32(vfs.FlagsAll) || oflags&oCreat != 0 && oflags&oDirectory != 0 {
		return vfs.EINVAL
	}
	x, en := e.at(a[0], a[2], a[3], rightPathOpen)
	if en != success {
		return en
	}
	defer x.put()
	if en := e.writable(a[8], 4); en != success {
		return en
	}
	o := vfs.OpenFlags{
		Read: base&(rightFdRead|rightFdReaddir) != 0, Write: base&rightFdWrite != 0,
		Create: oflags&oCreat != 0, Exclusive: oflags&oExcl != 0, Truncate: oflags&oTrunc != 0, Directory: oflags&oDirectory != 0,
		Follow: lookup&lookupFollow != 0, Status: vfs.Flags(fdflags),
	}
	o.Exclusive = o.Exclusive && o.Create // alone it means nothing
	if !o.Read && !o.Write {
		o.Read = true
		base |= rightFdRead
	}
	if o.Directory { // libraries ask for all rights there are
		o.Write = o.Write && o.Truncate
	}
	if (o.Create && x.lacks(rightPathCreateFile)) || (o.Truncate && x.lacks(rightPathFilestatSetSize)) {
		return vfs.ENOTCAPABLE
	}
	fd, en := e.s.fds.reserve()
	if en != success {
		return en
	}
	f, err := x.open(o)
	if err != nil {
		fd.free()
		return vfs.ErrnoOf(err)
	}
	d := x.child(f, base, inheriting)
	d.from = x.origin(o)
	d.flags.Store(fdflags)
	if en := e.s.fds.fill(fd, d); en != success {
		return en
	}
	return e.put32(a[8], fd.n)
}

// open opens the path, for a read-only mount as far as that goes.
func (x *at) open(o vfs.OpenFlags) (vfs.File, error) {
	if !x.readOnly {
		return x.dir.Open(x.path, o)
	}
	if o.Write || o.Truncate || o.Create {
		// What there is decides the error; only what would change something is EROFS.
		st, err := x.dir.StatPath(x.path, o.Follow && !o.Exclusive)
		switch {
		case err == vfs.ENOENT && o.Create:
			return nil, vfs.EROFS
		case err != nil:
			return nil, err
		case o.Exclusive:
			return nil, vfs.EEXIST
		case st.Type == vfs.TypeDirectory:
			return nil, vfs.EISDIR
		case st.Type == vfs.TypeSymlink:
			return nil, vfs.ELOOP
		case strings.HasSuffix(x.path, "/"):
			return nil, vfs.ENOTDIR
		case o.Write || o.Truncate:
			return nil, vfs.EROFS
		}
		o.Create = false
	}
	return x.dir.Open(x.path, o)
}

// child makes the description of something opened below a directory: it has what was asked for of what its directory hands
// down and what makes sense.
func (x *at) child(f vfs.File, base, inheriting rights) *desc {
	base &= rightsOf(f)
	if f.Type() == vfs.TypeDirectory {
		inheriting &= x.inheriting
	} else {
		inheriting = 0
	}
	d := newDesc(f, base, inheriting)
	d.readOnly = x.readOnly
	taken := x.noInheriting.Load()
	d.noBase.Store(taken)
	d.noInheriting.Store(taken)
	return d
}
