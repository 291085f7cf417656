package wasi

import (
	"math"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// iovec is a piece of guest memory; iovecs are those of one call, copied out of it once and checked.
type iovec struct{ ptr, n uint32 }

type iovecs struct {
	n     int
	few   [8]iovec
	many  []iovec
	total uint64
}

// alone makes a list of one piece.
func (x iovec) alone() iovecs { return iovecs{n: 1, few: [8]iovec{x}, total: uint64(x.n)} }

// maxIovecs is how many pieces one call moves; a read or write may always do less than it was asked to.
const maxIovecs = 1024

func (v *iovecs) at(i int) iovec {
	if v.many != nil {
		return v.many[i]
	}
	return v.few[i]
}

// iovecs copies an array of iovecs. All of it must be in memory, and so must be the pieces that the call will use.
func (e env) iovecs(ptr, count uint64) (v iovecs, en errno) {
	count = uint64(uint32(count))
	b, en := e.view(ptr, count*sizeIovec)
	if en != success {
		return v, en
	}
	v.n = int(min(count, maxIovecs))
	if v.n > len(v.few) {
		v.many = make([]iovec, v.n)
	}
	for i := range v.n {
		x := iovec{le.Uint32(b[i*sizeIovec:]), le.Uint32(b[i*sizeIovec+4:])}
		if _, ok := e.m.View(uint64(x.ptr), uint64(x.n)); !ok {
			return v, vfs.EFAULT
		}
		if v.many != nil {
			v.many[i] = x
		} else {
			v.few[i] = x
		}
		v.total += uint64(x.n)
	}
	if v.total > math.MaxUint32 {
		return v, vfs.EINVAL
	}
	return v, success
}

// transferSize bounds what is moved between two looks at whether the guest is to stop.
const transferSize = 8 << 20

// transfer calls do for each piece until one comes up short. An error counts if nothing was moved before it.
func (e env) transfer(v *iovecs, do func(p []byte) (int, error)) (uint32, errno) {
	var total uint64
	for i := range v.n {
		x := v.at(i)
		if x.n == 0 {
			continue
		}
		p, ok := e.m.View(uint64(x.ptr), uint64(x.n))
		if !ok {
			return 0, vfs.EFAULT
		}
		for len(p) > 0 {
			part := p[:min(len(p), transferSize)]
			n, err := do(part)
			total += uint64(max(0, n))
			if err != nil && total == 0 {
				return 0, vfs.ErrnoOf(err)
			}
			if err != nil || n < len(part) {
				return uint32(total), success
			}
			if p = p[n:]; len(p) > 0 && e.stopped() {
				return 0, vfs.EINTR
			}
		}
	}
	if v.total == 0 { // the file still says whether it could
		_, err := do(nil)
		return 0, vfs.ErrnoOf(err)
	}
	return uint32(total), success
}

// gatherSize bounds the writes of several pieces that are made one, so that lines of several writers do not mix.
const gatherSize = 4096

var gatherPool = sync.Pool{New: func() any { return new([gatherSize]byte) }}

// gather is transfer for writes: a small write of several pieces reaches the file as one.
func (e env) gather(v *iovecs, do func(p []byte) (int, error)) (uint32, errno) {
	if v.n < 2 || v.total > gatherSize || v.total == 0 {
		return e.transfer(v, do)
	}
	buf := gatherPool.Get().(*[gatherSize]byte)
	defer gatherPool.Put(buf)
	all, en := e.collect(v, buf[:0])
	if en != success {
		return 0, en
	}
	done, err := do(all)
	if err != nil && done <= 0 {
		return 0, vfs.ErrnoOf(err)
	}
	return uint32(done), success
}

// collect appends all pieces to buf.
func (e env) collect(v *iovecs, buf []byte) ([]byte, errno) {
	for i := range v.n {
		x := v.at(i)
		p, ok := e.m.View(uint64(x.ptr), uint64(x.n))
		if !ok {
			return nil, vfs.EFAULT
		}
		buf = append(buf, p...)
	}
	return buf, success
}
