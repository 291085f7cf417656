package wasi

import (
	"math"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func fdRead(e env, a []uint64) errno {
	return e.readv(a[0], a[1], a[2], a[3], rightFdRead, func(d *desc, p []byte) (int, error) { return d.file.Read(p) })
}

func fdPread(e env, a []uint64) errno {
	off := a[3]
	if off > math.MaxInt64 {
		return vfs.EINVAL
	}
	at := int64(off)
	return e.readv(a[0], a[1], a[2], a[4], rightFdRead|rightFdSeek, func(d *desc, p []byte) (int, error) {
		n, err := d.file.ReadAt(p, at)
		at += int64(n)
		return n, err
	})
}

func (e env) readv(fd, iovs, count, result uint64, need rights, read func(d *desc, p []byte) (int, error)) errno {
	h, en := e.s.fds.get(fd, need)
	if en != success {
		return en
	}
	defer h.put()
	v, en := e.iovecs(iovs, count)
	if en != success {
		return en
	}
	if en := e.writable(result, 4); en != success {
		return en
	}
	if h.base&rightFdRead == 0 {
		return vfs.EBADF
	}
	n, en := e.waiting(h.desc, vfs.Readable, func() (uint32, errno) {
		return e.transfer(&v, func(p []byte) (int, error) { return read(h.desc, p) })
	})
	if en != success {
		return en
	}
	return e.put32(result, n)
}

func fdWrite(e env, a []uint64) errno {
	return e.writev(a[0], a[1], a[2], a[3], rightFdWrite, func(d *desc, p []byte) (int, error) { return d.file.Write(p) })
}

func fdPwrite(e env, a []uint64) errno {
	off := a[3]
	if off > math.MaxInt64 {
		return vfs.EINVAL
	}
	at := int64(off)
	return e.writev(a[0], a[1], a[2], a[4], rightFdWrite|rightFdSeek, func(d *desc, p []byte) (int, error) {
		n, err := d.file.WriteAt(p, at)
		at += int64(n)
		return n, err
	})
}

func (e env) writev(fd, iovs, count, result uint64, need rights, write func(d *desc, p []byte) (int, error)) errno {
	h, en := e.s.fds.get(fd, need)
	if en != success {
		return en
	}
	defer h.put()
	v, en := e.iovecs(iovs, count)
	if en != success {
		return en
	}
	if en := e.writable(result, 4); en != success {
		return en
	}
	if h.base&rightFdWrite == 0 {
		return vfs.EBADF
	}
	var n uint32
	if slow, ok := h.file.(vfs.SlowWriter); ok && need == rightFdWrite {
		n, en = e.slowWrite(h.desc, slow, &v)
	} else {
		n, en = e.waiting(h.desc, vfs.Writable, func() (uint32, errno) {
			return e.gather(&v, func(p []byte) (int, error) { return write(h.desc, p) })
		})
		if en == success && uint64(n) < v.total && h.stream != nil && !h.nonblocking() {
			n, en = e.writeRest(h.desc, &v, n)
		}
	}
	if en != success {
		return en
	}
	return e.put32(result, n)
}

// writeRest goes on with a write on a stream that took a part: like a system's, a blocking write on a pipe ends when all is
// written. An error ends it with what was.
func (e env) writeRest(d *desc, v *iovecs, done uint32) (uint32, errno) {
	for uint64(done) < v.total {
		if e.stopped() {
			return 0, vfs.EINTR
		}
		skip := uint64(done)
		n, en := e.waiting(d, vfs.Writable, func() (uint32, errno) {
			rest := skip
			for i := range v.n {
				x := v.at(i)
				if rest >= uint64(x.n) {
					rest -= uint64(x.n)
					continue
				}
				p, ok := e.m.View(uint64(x.ptr), uint64(x.n))
				if !ok {
					return 0, vfs.EFAULT
				}
				n, err := d.file.Write(p[rest:])
				if n > 0 {
					err = nil
				}
				return uint32(n), vfs.ErrnoOf(err)
			}
			return 0, success
		})
		if en == vfs.EINTR {
			return 0, en
		}
		if en != success || n == 0 {
			break
		}
		done += n
	}
	return done, success
}

// slowWrite writes through somebody else: a small write at once, others piece by piece.
func (e env) slowWrite(d *desc, w vfs.SlowWriter, v *iovecs) (uint32, errno) {
	if v.n > 1 && v.total > 0 && v.total <= gatherSize {
		all, en := e.collect(v, make([]byte, 0, v.total))
		if en != success {
			return 0, en
		}
		return e.slowWriteOne(d, w, func() ([]byte, bool) { return all, true })
	}
	var total uint32
	for i := range v.n {
		for x := v.at(i); x.n > 0; {
			n, en := e.slowWriteOne(d, w, func() ([]byte, bool) { return e.m.View(uint64(x.ptr), uint64(x.n)) })
			total += n
			if en == vfs.EINTR || en != success && total == 0 {
				return 0, en
			}
			if en != success || n == 0 {
				return total, success
			}
			x.ptr += n
			x.n -= n
		}
	}
	return total, success
}

// slowWriteOne hands over a copy of some bytes, or of their beginning, and waits until it is written.
func (e env) slowWriteOne(d *desc, w vfs.SlowWriter, view func() ([]byte, bool)) (uint32, errno) {
	var op *vfs.WriteOp
	for {
		p, ok := view()
		if !ok {
			return 0, vfs.EFAULT
		}
		if op = w.Start(p); op != nil {
			break
		}
		if d.nonblocking() { // what is under way is an abandoned write, or another thread's
			return 0, vfs.EAGAIN
		}
		if en := e.wait(d, vfs.Writable); en != success {
			return 0, en
		}
	}
	ch := make(chan struct{}, 1)
	if !d.watch(ch) {
		return 0, vfs.EBADF
	}
	defer d.unwatch(ch)
	if en := e.block(ch, op.Done, nil); en != success {
		return 0, en
	}
	select {
	case <-op.Done:
		return uint32(max(0, op.N)), vfs.ErrnoOf(op.Err)
	default:
		return 0, vfs.EBADF // closed meanwhile
	}
}

func fdSeek(e env, a []uint64) errno {
	need := rightFdSeek
	if int64(a[1]) == 0 && arg32(a[2]) == 1 {
		need = rightFdTell
	}
	return e.seek(a[0], int64(a[1]), arg32(a[2]), a[3], need)
}

func fdTell(e env, a []uint64) errno { return e.seek(a[0], 0, 1, a[1], rightFdTell) }

func (e env) seek(fd uint64, off int64, whence uint32, result uint64, need rights) errno {
	h, en := e.s.fds.get(fd, need)
	if en != success {
		return en
	}
	defer h.put()
	if whence > 2 { // set, cur, end, as in package io
		return vfs.EINVAL
	}
	if en := e.writable(result, 8); en != success {
		return en
	}
	at, err := h.file.Seek(off, int(whence))
	if err != nil {
		return vfs.ErrnoOf(err)
	}
	return e.put64(result, uint64(at))
}
