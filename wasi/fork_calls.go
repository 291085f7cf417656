package wasi

import (
	"errors"
	"os"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

const (
	// WasixModule is the name under which guests import the calls of WASIX that are about processes: proc_fork, proc_join, proc_id, proc_parent,
	// proc_exit2 and fd_pipe, as wasix-libc has them for 32-bit memories.
	WasixModule = "wasix_32v1"
	// ForkModule is the name under which guests import fork, wait, pid, parent, generation and snapshot: see guest/fork/spindle_fork.h.
	ForkModule = "spindle"
)

// Flags and layouts of WASIX (wasix-libc, wasi/api_wasix.h).
const (
	joinNonBlocking = 1 << 0

	optionNone = 0
	optionSome = 1

	joinNothing    = 0
	joinExitNormal = 1
	joinExitSignal = 2

	sizeJoinStatus = 6 // tag u8; at 2 the exit code u16; for a signal at 4 its number u8

	// A guest that traps ends as by a signal: SIGABRT, as for what C programs do about a broken invariant.
	sigAbort = 6
)

// Flags of ForkModule.
const (
	forkAllThreads = 1 << 0
	waitNoHang     = 1 << 0

	statusExit = 0
	statusTrap = 1
)

// forkErrno is what a guest is told of a fork that failed.
func forkErrno(err error) errno {
	var tree *spindle.TreeLimitError
	var limit *spindle.LimitError
	var fork *spindle.ForkError
	switch {
	case errors.As(err, &tree) && tree.Limit == spindle.TreeLimitPrivate:
		return vfs.ENOMEM
	case errors.As(err, &fork) && fork.Hook != "":
		return vfs.ECANCELED
	case errors.As(err, &tree), errors.Is(err, spindle.ErrEnding):
		return vfs.EAGAIN
	case errors.As(err, &limit):
		return vfs.ENOMEM
	case errors.As(err, &fork):
		return vfs.ENOTSUP
	}
	return vfs.ENOMEM
}

// exitCode splits how a child ended into what statuses have.
func exitCode(err error) (code uint32, trapped bool) {
	var exit *spindle.ExitError
	switch {
	case err == nil:
		return 0, false
	case errors.As(err, &exit):
		return exit.Code, false
	}
	return 128 + sigAbort, true
}

func callEnv(c *spindle.Caller) env {
	if m := c.Memory(); m != nil {
		return env{c: c, m: m}
	}
	return env{c: c, m: noMemory{}}
}

// Wasix returns the calls of WASIX that WasixModule names, for a guest with that System; s may be nil for one without files.
// A child of proc_fork has the calling thread only; it is a copy whatever copy_memory says, so what a vfork may do, it may.
func Wasix(s *System) spindle.ImportModule { return &wasix{s, wasixCalls(s)} }

// wasix is a ForkState as fd_pipe belongs to a System.
type wasix struct {
	s *System
	spindle.HostModule
}

// Freeze implements spindle.ForkState.
func (w *wasix) Freeze(*spindle.Process) (spindle.FrozenModule, error) { return w, nil }

// Fork implements spindle.FrozenModule.
func (w *wasix) Fork(child *spindle.Process, _ any) (spindle.ImportModule, error) {
	s, _ := child.Import(ModuleName).(*System)
	return Wasix(s), nil
}

// Close implements spindle.FrozenModule.
func (w *wasix) Close() error { return nil }

func wasixCalls(s *System) spindle.HostModule {
	errnoOf := func(en errno) int32 { return int32(en) }
	return spindle.HostModule{
		"proc_fork": spindle.Func2(func(c *spindle.Caller, _, result uint32) int32 {
			e := callEnv(c)
			if en := e.writable(uint64(result), 4); en != success {
				return errnoOf(en)
			}
			pid, err := c.Fork(false, spindle.Answer{
				Results: []uint64{uint64(success)}, Writes: []spindle.AnswerWrite{{Addr: uint64(result), Bytes: make([]byte, 4)}},
			})
			if err != nil {
				return errnoOf(forkErrno(err))
			}
			return errnoOf(e.put32(uint64(result), pid))
		}).Named(WasixModule + ".proc_fork"),
		"proc_join": spindle.Func3(func(c *spindle.Caller, option, flags, status uint32) int32 {
			return errnoOf(callEnv(c).procJoin(c, uint64(option), flags, uint64(status)))
		}).Named(WasixModule + ".proc_join"),
		"proc_id": spindle.Func1(func(c *spindle.Caller, result uint32) int32 {
			return errnoOf(callEnv(c).put32(uint64(result), c.Process().PID()))
		}).Named(WasixModule + ".proc_id"),
		"proc_parent": spindle.Func2(func(c *spindle.Caller, pid, result uint32) int32 {
			if pid != c.Process().PID() {
				return errnoOf(vfs.ESRCH)
			}
			return errnoOf(callEnv(c).put32(uint64(result), c.Process().ParentPID()))
		}).Named(WasixModule + ".proc_parent"),
		"proc_exit2": spindle.Proc1(func(c *spindle.Caller, code uint32) {
			c.Fail(&spindle.ExitError{Code: code})
		}).Named(WasixModule + ".proc_exit2"),
		"fd_pipe": spindle.Func2(func(c *spindle.Caller, r, w uint32) int32 {
			if s == nil {
				return errnoOf(vfs.ENOSYS)
			}
			e := callEnv(c)
			e.s = s
			return errnoOf(e.pipe(uint64(r), uint64(w)))
		}).Named(WasixModule + ".fd_pipe"),
	}
}

// procJoin waits for a child.
func (e env) procJoin(c *spindle.Caller, option uint64, flags uint32, status uint64) errno {
	o, en := e.view(option, 8)
	if en != success {
		return en
	}
	if en := e.writable(status, sizeJoinStatus); en != success {
		return en
	}
	var pid uint32
	switch o[0] {
	case optionNone:
	case optionSome:
		if pid = le.Uint32(o[4:]); pid == 0 {
			return vfs.ECHILD
		}
	default:
		return vfs.EINVAL
	}
	s, ok, err := c.WaitChild(pid, flags&joinNonBlocking == 0)
	st, en := e.view(status, sizeJoinStatus)
	if en != success {
		return en
	}
	clear(st)
	switch {
	case errors.Is(err, spindle.ErrNoChild):
		return vfs.ECHILD
	case err != nil:
		return vfs.EINTR
	case !ok:
		return success
	}
	if o, en = e.view(option, 8); en != success {
		return en
	}
	clear(o)
	o[0] = optionSome
	le.PutUint32(o[4:], s.PID)
	code, trapped := exitCode(s.Err)
	st[0] = joinExitNormal
	le.PutUint16(st[2:], uint16(code))
	if trapped {
		st[0], st[4] = joinExitSignal, sigAbort
	}
	return success
}

// pipe makes a pipe of the system's.
func (e env) pipe(r, w uint64) errno {
	if en := e.writable(r, 4); en != success {
		return en
	}
	if en := e.writable(w, 4); en != success {
		return en
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return vfs.ErrnoOf(err)
	}
	add := func(f *os.File, rw rights) (uint32, errno) {
		s, err := stream.OfFile(e.s.hub.Hub, f, true)
		if err != nil {
			return 0, vfs.ErrnoOf(errors.Join(err, f.Close()))
		}
		d := newDesc(s, rightsOf(s)&^(rightFdRead|rightFdWrite)|rw, 0)
		n, en := e.s.fds.add(d)
		if en != success {
			_ = d.close()
		}
		return n, en
	}
	rn, en := add(pr, rightFdRead)
	if en != success {
		_ = pw.Close()
		return en
	}
	wn, en := add(pw, rightFdWrite)
	if en != success {
		_ = e.s.fds.close(uint64(rn))
		return en
	}
	if en := e.put32(r, rn); en != success {
		return en
	}
	return e.put32(w, wn)
}

// Forks returns ForkModule. point, if not nil, is called when the guest says by snapshot() that it is warm; what it returns, the guest gets: 0 means "go on", and an
// Image made there (Caller.Freeze) answers 1 in its children.
func Forks(point func(c *spindle.Caller) int32) spindle.HostModule {
	return spindle.HostModule{
		"fork": spindle.Func1(func(c *spindle.Caller, flags uint32) int32 {
			pid, err := c.Fork(flags&forkAllThreads != 0, spindle.Answer{Results: []uint64{0}})
			if err != nil {
				return -int32(forkErrno(err))
			}
			return int32(pid)
		}).Named(ForkModule + ".fork"),
		"wait": spindle.Func3(func(c *spindle.Caller, pid, flags, status uint32) int32 {
			e := callEnv(c)
			if status != 0 {
				if en := e.writable(uint64(status), 8); en != success {
					return -int32(en)
				}
			}
			s, ok, err := c.WaitChild(pid, flags&waitNoHang == 0)
			switch {
			case errors.Is(err, spindle.ErrNoChild):
				return -int32(vfs.ECHILD)
			case err != nil:
				return -int32(vfs.EINTR)
			case !ok:
				return 0
			}
			if status != 0 {
				code, trapped := exitCode(s.Err)
				kind := uint32(statusExit)
				if trapped {
					kind = statusTrap
				}
				if en := e.put64(uint64(status), uint64(kind)|uint64(code)<<32); en != success {
					return -int32(en)
				}
			}
			return int32(s.PID)
		}).Named(ForkModule + ".wait"),
		"pid":        spindle.Func0(func(c *spindle.Caller) uint32 { return c.Process().PID() }).Named(ForkModule + ".pid"),
		"parent":     spindle.Func0(func(c *spindle.Caller) uint32 { return c.Process().ParentPID() }).Named(ForkModule + ".parent"),
		"generation": spindle.Func0(func(c *spindle.Caller) uint64 { return c.Process().Generation() }).Named(ForkModule + ".generation"),
		"snapshot": spindle.Func0(func(c *spindle.Caller) int32 {
			if point == nil {
				return 0
			}
			return point(c)
		}).Named(ForkModule + ".snapshot"),
	}
}
