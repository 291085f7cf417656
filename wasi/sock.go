package wasi

import "github.com/spindle-wasm/spindle/wasi/internal/vfs"

func sockAccept(e env, a []uint64) errno {
	h, en := e.s.fds.get(a[0], rightSockAccept)
	if en != success {
		return en
	}
	defer h.put()
	l, ok := h.file.(vfs.Listener)
	if !ok {
		return notSocket(h.desc)
	}
	flags := arg32(a[1])
	if flags&^uint32(vfs.FlagNonblock) != 0 {
		return vfs.EINVAL
	}
	if en := e.writable(a[2], 4); en != success {
		return en
	}
	var fd number
	var conn vfs.Socket
	_, en = e.waiting(h.desc, vfs.Readable, func() (uint32, errno) {
		var en errno
		if fd, en = e.s.fds.reserve(); en != success {
			return 0, en
		}
		var err error
		if conn, err = l.Accept(); err != nil {
			fd.free()
		}
		return 0, vfs.ErrnoOf(err)
	})
	if en != success {
		return en
	}
	d := newDesc(conn, h.inheriting, 0)
	d.flags.Store(flags)
	d.noBase.Store(h.noInheriting.Load())
	if en := e.s.fds.fill(fd, d); en != success {
		return en
	}
	return e.put32(a[2], fd.n)
}

// notSocket tells a socket that cannot do it from what is none.
func notSocket(d *desc) errno {
	if d.typ == vfs.TypeSocketStream {
		return vfs.ENOTCONN
	}
	return vfs.ENOTSOCK
}

func sockRecv(e env, a []uint64) errno {
	h, en := e.s.fds.get(a[0], rightFdRead)
	if en != success {
		return en
	}
	defer h.put()
	s, ok := h.file.(vfs.Socket)
	if !ok {
		return notSocket(h.desc)
	}
	flags := arg32(a[3])
	if flags > riPeek|riWaitall {
		return vfs.EINVAL
	}
	v, en := e.pieces(h, rightFdRead, a[1], a[2], a[4])
	if en != success {
		return en
	}
	if en := e.writable(a[5], 2); en != success {
		return en
	}
	n, en := e.recv(h.desc, s, &v, flags)
	if en != success {
		return en
	}
	b, en := e.view(a[5], 2)
	if en != success {
		return en
	}
	le.PutUint16(b, 0) // a stream never truncates
	return e.put32(a[4], n)
}

func (e env) recv(d *desc, s vfs.Socket, v *iovecs, flags uint32) (uint32, errno) {
	if flags&riPeek != 0 {
		// Looking twice would see the same bytes again: one piece is all that can be filled, the first that holds something.
		var one iovecs
		for i := 0; i < v.n && one.total == 0; i++ {
			one = v.at(i).alone()
		}
		return e.waiting(d, vfs.Readable, func() (uint32, errno) { return e.transfer(&one, s.Peek) })
	}
	if flags&riWaitall == 0 {
		return e.waiting(d, vfs.Readable, func() (uint32, errno) { return e.transfer(v, s.Read) })
	}
	var total uint32
	for i := range v.n {
		for x := v.at(i); x.n > 0; {
			piece := x.alone()
			n, en := e.waiting(d, vfs.Readable, func() (uint32, errno) { return e.transfer(&piece, s.Read) })
			if en == vfs.EINTR || en != success && total == 0 {
				return 0, en
			}
			if en != success || n == 0 {
				return total, success
			}
			total += n
			e.partial = true
			x.ptr += n
			x.n -= n
		}
	}
	return total, success
}

func sockSend(e env, a []uint64) errno {
	h, en := e.s.fds.get(a[0], rightFdWrite)
	if en != success {
		return en
	}
	defer h.put()
	if _, ok := h.file.(vfs.Socket); !ok {
		return notSocket(h.desc)
	}
	if arg32(a[3]) != 0 {
		return vfs.EINVAL // no flag is defined
	}
	return e.write(h, a[1], a[2], a[4])
}

func sockShutdown(e env, a []uint64) errno {
	return e.with(a[0], rightSockShutdown, func(d *desc) error {
		s, ok := d.file.(vfs.Socket)
		if !ok {
			return notSocket(d)
		}
		how := arg32(a[1])
		if how == 0 || how > shutRead|shutWrite {
			return vfs.EINVAL
		}
		return s.Shutdown(how&shutRead != 0, how&shutWrite != 0)
	})
}
