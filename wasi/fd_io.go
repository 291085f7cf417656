package wasi

import (
	"math"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// pieces reads and checks what the calls that move bytes have in common: the pieces of guest memory, the place for how many bytes were moved, and
// that the file was opened for moving them that way.
func (e env) pieces(h handle, way rights, iovs, count, result uint64) (v iovecs, en errno) {
	if v, en = e.iovecs(iovs, count); en != success {
		return v, en
	}
	if en = e.writable(result, 4); en == success && h.base&way == 0 {
		en = vfs.EBADF
	}
	return v, en
}

// moved tells the guest how many bytes were moved.
func (e env) moved(result uint64, n uint32, en errno) errno {
	if en != success {
		return en
	}
	return e.put32(result, n)
}

func fdRead(e env, a []uint64) errno {
	h, en := e.s.fds.get(a[0], rightFdRead)
	if en != success {
		return en
	}
	defer h.put()
	v, en := e.pieces(h, rightFdRead, a[1], a[2], a[3])
	if en != success {
		return en
	}
	n, en := e.waiting(h.desc, vfs.Readable, func() (uint32, errno) { return e.transfer(&v, h.file.Read) })
	return e.moved(a[3], n, en)
}

func fdWrite(e env, a []uint64) errno {
	h, en := e.s.fds.get(a[0], rightFdWrite)
	if en != success {
		return en
	}
	defer h.put()
	return e.write(h, a[1], a[2], a[3])
}

// write writes at the file's offset, or to a stream, where it waits.
func (e env) write(h handle, iovs, count, result uint64) errno {
	v, en := e.pieces(h, rightFdWrite, iovs, count, result)
	if en != success {
		return en
	}
	if slow, ok := h.file.(vfs.SlowWriter); ok {
		n, en := e.slowWrite(h.desc, slow, &v)
		return e.moved(result, n, en)
	}
	n, en := e.waiting(h.desc, vfs.Writable, func() (uint32, errno) { return e.gather(&v, h.file.Write) })
	if en == success && uint64(n) < v.total && h.stream != nil && !h.nonblocking() {
		n, en = e.writeRest(h.desc, &v, n)
	}
	return e.moved(result, n, en)
}

func fdPread(e env, a []uint64) errno  { return e.atOffset(a, rightFdRead) }
func fdPwrite(e env, a []uint64) errno { return e.atOffset(a, rightFdWrite) }

// atOffset moves bytes at an offset of the call's own. No file that has offsets makes a guest wait.
func (e env) atOffset(a []uint64, way rights) errno {
	if a[3] > math.MaxInt64 {
		return vfs.EINVAL
	}
	h, en := e.s.fds.get(a[0], way|rightFdSeek)
	if en != success {
		return en
	}
	defer h.put()
	v, en := e.pieces(h, way, a[1], a[2], a[4])
	if en != success {
		return en
	}
	at := int64(a[3])
	var n uint32
	if way == rightFdWrite {
		n, en = e.gather(&v, func(p []byte) (int, error) {
			n, err := h.file.WriteAt(p, at)
			at += int64(n)
			return n, err
		})
	} else {
		n, en = e.transfer(&v, func(p []byte) (int, error) {
			n, err := h.file.ReadAt(p, at)
			at += int64(n)
			return n, err
		})
	}
	return e.moved(a[4], n, en)
}

// writeRest goes on with a write on a stream that took a part: like a system's, a blocking write on a pipe ends when all is
// written. An error ends it with what was.
func (e env) writeRest(d *desc, v *iovecs, done uint32) (uint32, errno) {
	e.partial = true
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
			e.partial = true
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
	e.partial = true
	if en := e.block(time.Now(), ch, op.Done, nil); en != success {
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
