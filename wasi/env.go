package wasi

import (
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// errno is the result of a call.
type errno = vfs.Errno

const success = vfs.Success

// caller is what a call needs of the thread that makes it; *spindle.Caller.
type caller interface {
	Stopped() <-chan struct{}
	Block(f func()) error
	BlockSince(begin time.Time, f func()) error
	Elapsed() time.Duration
	Fail(err error)
}

// memory is the guest's memory; *spindle.Memory.
type memory interface {
	View(off, n uint64) ([]byte, bool)
}

// env is one call's surroundings. Views of memory end when the call blocks: what is needed afterwards is viewed again.
type env struct {
	s *System
	c caller
	m memory
	// partial says that the call has done something that it must not do again: a fork then waits for its end.
	partial bool
}

// arg32 reads an argument of type i32.
func arg32(x uint64) uint32 { return uint32(x) }

// view returns n bytes at ptr.
func (e env) view(ptr, n uint64) ([]byte, errno) {
	b, ok := e.m.View(uint64(uint32(ptr)), n)
	if !ok {
		return nil, vfs.EFAULT
	}
	return b, success
}

func (e env) put32(ptr uint64, v uint32) errno {
	b, en := e.view(ptr, 4)
	if en == success {
		le.PutUint32(b, v)
	}
	return en
}

func (e env) put64(ptr uint64, v uint64) errno {
	b, en := e.view(ptr, 8)
	if en == success {
		le.PutUint64(b, v)
	}
	return en
}

// writable checks a place for a result before anything happens that cannot be taken back.
func (e env) writable(ptr, n uint64) errno {
	_, en := e.view(ptr, n)
	return en
}

// path copies a path out of the guest and checks the copy.
func (e env) path(ptr, n uint64) (string, errno) {
	n = uint64(uint32(n))
	if n > vfs.MaxPath {
		if en := e.writable(ptr, n); en != success {
			return "", en
		}
		return "", vfs.ENAMETOOLONG
	}
	b, en := e.view(ptr, n)
	if en != success {
		return "", en
	}
	p := string(b)
	return p, vfs.ErrnoOf(vfs.CheckPath(p))
}

// stopped reports whether the guest is to stop. Calls that take long without waiting ask now and then.
func (e env) stopped() bool {
	select {
	case <-e.c.Stopped():
		return true
	default:
		return false
	}
}

// block waits for a token, for done, for the timer, or the guest's end, in a call that has been at it since begin. It returns EINTR if the guest is to stop: the call then
// returns, and no guest code sees what.
func (e env) block(begin time.Time, ch, done <-chan struct{}, timer <-chan time.Time) errno {
	stopped := e.c.Stopped()
	e.s.cpu.begin(e.s.monotonic(), e.s.threads())
	wait := func() {
		select {
		case <-ch:
		case <-done:
		case <-timer:
		case <-stopped:
		}
	}
	var err error
	if e.partial {
		err = e.c.Block(wait)
	} else {
		err = e.c.BlockSince(begin, wait)
	}
	e.s.cpu.end(e.s.monotonic())
	if err != nil {
		return vfs.EINTR
	}
	return success
}

// wait waits until d may be ready for one of the events.
func (e env) wait(d *desc, ev vfs.Events) errno {
	ch := make(chan struct{}, 1)
	if !d.watch(ch) {
		return vfs.EBADF
	}
	defer d.unwatch(ch)
	defer d.stream.Notify(ev, ch)()
	if en := e.block(time.Now(), ch, nil, nil); en != success {
		return en
	}
	if d.isClosed() {
		return vfs.EBADF
	}
	return success
}

// waiting repeats a call on a stream while it has to wait, unless the descriptor is non-blocking.
func (e env) waiting(d *desc, ev vfs.Events, do func() (uint32, errno)) (uint32, errno) {
	for {
		n, en := do()
		if en != vfs.EAGAIN || d.stream == nil || d.nonblocking() {
			return n, en
		}
		if en := e.wait(d, ev); en != success {
			return 0, en
		}
	}
}
