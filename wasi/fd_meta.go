package wasi

import (
	"math"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// with runs f on a descriptor.
func (e env) with(fd uint64, need rights, f func(d *desc) error) errno {
	h, en := e.s.fds.get(fd, need)
	if en != success {
		return en
	}
	defer h.put()
	if h.readOnly && need&rightsMutating != 0 {
		return vfs.EROFS
	}
	return vfs.ErrnoOf(f(h.desc))
}

// fileSizes checks offsets and sizes, which files count in 63 bits.
func fileSizes(x ...uint64) error {
	for _, v := range x {
		if v > math.MaxInt64 {
			return vfs.EINVAL
		}
	}
	return nil
}

func fdAdvise(e env, a []uint64) errno {
	return e.with(a[0], rightFdAdvise, func(d *desc) error {
		if arg32(a[3]) > 5 { // noreuse is the last
			return vfs.EINVAL
		}
		if err := fileSizes(a[1], a[2]); err != nil {
			return err
		}
		return d.file.Advise(int64(a[1]), int64(a[2]), uint8(a[3]))
	})
}

func fdAllocate(e env, a []uint64) errno {
	return e.with(a[0], rightFdAllocate, func(d *desc) error {
		if err := fileSizes(a[1], a[2]); err != nil {
			return err
		}
		return d.file.Allocate(int64(a[1]), int64(a[2]))
	})
}

func fdClose(e env, a []uint64) errno { return e.s.fds.close(a[0]) }

func fdRenumber(e env, a []uint64) errno { return e.s.fds.renumber(a[0], a[1]) }

func fdDatasync(e env, a []uint64) errno {
	return e.with(a[0], rightFdDatasync, func(d *desc) error { return d.file.Sync(true) })
}

func fdSync(e env, a []uint64) errno {
	return e.with(a[0], rightFdSync, func(d *desc) error { return d.file.Sync(false) })
}

func fdFdstatGet(e env, a []uint64) errno {
	return e.with(a[0], 0, func(d *desc) error {
		b, en := e.view(a[1], sizeFdstat)
		if en != success {
			return en
		}
		clear(b)
		b[0] = byte(d.typ)
		le.PutUint16(b[2:], uint16(d.flags.Load()))
		le.PutUint64(b[8:], uint64(d.base)&^d.noBase.Load())
		le.PutUint64(b[16:], uint64(d.inheriting)&^d.noInheriting.Load())
		return nil
	})
}

func fdFdstatSetFlags(e env, a []uint64) errno {
	return e.with(a[0], rightFdFdstatSetFlags, func(d *desc) error {
		f := vfs.Flags(arg32(a[1]))
		if arg32(a[1]) > uint32(vfs.FlagsAll) {
			return vfs.EINVAL
		}
		const sync = vfs.FlagDSync | vfs.FlagRSync | vfs.FlagSync
		old := vfs.Flags(d.flags.Load())
		if f&sync != old&sync {
			return vfs.ENOTSUP // hosts fix it when a file is opened
		}
		return d.setFlags(f)
	})
}

func fdFdstatSetRights(e env, a []uint64) errno {
	return e.with(a[0], 0, func(d *desc) error {
		base, inheriting := rights(a[1]), rights(a[2])
		hasBase, hasInheriting := d.base&^rights(d.noBase.Load()), d.inheriting&^rights(d.noInheriting.Load())
		if base&^hasBase != 0 || inheriting&^hasInheriting != 0 {
			return vfs.ENOTCAPABLE // rights can only go
		}
		d.noBase.Or(uint64(hasBase &^ base))
		d.noInheriting.Or(uint64(hasInheriting &^ inheriting))
		return nil
	})
}

func fdFilestatGet(e env, a []uint64) errno {
	return e.with(a[0], rightFdFilestatGet, func(d *desc) error {
		b, en := e.view(a[1], sizeFilestat)
		if en != success {
			return en
		}
		st, err := d.file.Stat()
		if err != nil {
			return err
		}
		st.Type = d.typ
		putFilestat(b, &st)
		return nil
	})
}

func fdFilestatSetSize(e env, a []uint64) errno {
	return e.with(a[0], rightFdFilestatSetSize, func(d *desc) error {
		if err := fileSizes(a[1]); err != nil {
			return err
		}
		return d.file.Truncate(int64(a[1]))
	})
}

func fdFilestatSetTimes(e env, a []uint64) errno {
	return e.with(a[0], rightFdFilestatSetTimes, func(d *desc) error {
		t, err := newTimes(a[1], a[2], arg32(a[3]))
		if err != nil {
			return err
		}
		return d.file.SetTimes(t)
	})
}

// newTimes reads the arguments of the calls that set times (witx "fstflags").
func newTimes(atim, mtim uint64, flags uint32) (t vfs.Times, err error) {
	if flags > fstAtim|fstAtimNow|fstMtim|fstMtimNow {
		return t, vfs.EINVAL
	}
	now := time.Now().UnixNano()
	one := func(ns uint64, set, setNow bool) (*int64, error) {
		switch v := int64(ns); {
		case set && setNow:
			return nil, vfs.EINVAL
		case setNow:
			return &now, nil
		case set && v < 0:
			return nil, vfs.EINVAL
		case set:
			return &v, nil
		}
		return nil, nil
	}
	if t.Atim, err = one(atim, flags&fstAtim != 0, flags&fstAtimNow != 0); err != nil {
		return t, err
	}
	t.Mtim, err = one(mtim, flags&fstMtim != 0, flags&fstMtimNow != 0)
	return t, err
}

func fdPrestatGet(e env, a []uint64) errno {
	return e.with(a[0], 0, func(d *desc) error {
		if !d.preopened {
			return vfs.EBADF // libraries count up until this
		}
		b, en := e.view(a[1], sizePrestat)
		if en != success {
			return en
		}
		clear(b) // tag 0: a directory
		le.PutUint32(b[4:], uint32(len(d.name)))
		return nil
	})
}

func fdPrestatDirName(e env, a []uint64) errno {
	return e.with(a[0], 0, func(d *desc) error {
		if !d.preopened {
			return vfs.EBADF
		}
		if uint64(arg32(a[2])) < uint64(len(d.name)) {
			return vfs.ENAMETOOLONG
		}
		b, en := e.view(a[1], uint64(len(d.name)))
		if en != success {
			return en
		}
		copy(b, d.name)
		return nil
	})
}

func fdReaddir(e env, a []uint64) errno {
	return e.with(a[0], rightFdReaddir, func(d *desc) error {
		if d.dir == nil {
			return vfs.ENOTDIR
		}
		buf, en := e.view(a[1], uint64(arg32(a[2])))
		if en != success {
			return en
		}
		if en := e.writable(a[4], 4); en != success {
			return en
		}
		// An entry that does not fit is cut off: a full buffer is how the guest knows that there is more.
		used := 0
		err := d.dir.Entries(a[3], func(x vfs.Entry) bool {
			var h [sizeDirent]byte
			le.PutUint64(h[0:], x.Next)
			le.PutUint64(h[8:], x.Ino)
			le.PutUint32(h[16:], uint32(len(x.Name)))
			h[20] = byte(x.Type)
			used += copy(buf[used:], h[:])
			used += copy(buf[used:], x.Name)
			return used < len(buf)
		})
		if err != nil {
			return err
		}
		if en := e.put32(a[4], uint32(used)); en != success {
			return en
		}
		return nil
	})
}
