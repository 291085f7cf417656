package wasi

import (
	"errors"
	"fmt"
	"io"
	"net"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// ForkOptions give a child of a fork other standard streams than its parent's, and other arguments and variables (which a guest that has read
// its own long ago will not see). They go into spindle.ForkConfig.Options under ModuleName.
type ForkOptions struct {
	// Stdin, Stdout and Stderr are as in Config; nil leaves the parent's.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Listeners replace the parent's listening sockets that are open, in the order of their descriptors; those that are left over stay. The child's
	// System owns them, also if the fork fails.
	Listeners []net.Listener
	// Args and Env replace the parent's if they are not nil.
	Args []string
	Env  []string
}

// frozen is a System as it was at a freeze.
type frozen struct {
	of      *System
	fds     []*desc
	missing map[int]string // of another process: standard streams that did not come, and what they were
	was     []fileState    // by descriptor, of files that were opened by a path
}

var _ spindle.ForkState = (*System)(nil)

// Freeze implements spindle.ForkState. As POSIX has it, parent and children share open files with their offsets and status flags, but each has descriptors of
// its own. Clocks go on, without a jump; random bytes come from the one source, so that no two Processes get the same.
func (s *System) Freeze(*spindle.Process) (spindle.FrozenModule, error) {
	s.hub.refs.Add(1)
	f := &frozen{of: s, fds: s.fds.share()}
	f.note()
	return f, nil
}

// Fork implements spindle.FrozenModule.
func (f *frozen) Fork(child *spindle.Process, opts any) (spindle.ImportModule, error) {
	s := &System{args: f.of.args, env: f.of.env, hub: f.of.hub, random: f.of.random, realtime: f.of.realtime, monotonic: f.of.monotonic}
	s.hub.refs.Add(1)
	s.fds.max = f.of.fds.max
	ds := make([]*desc, len(f.fds))
	for n, d := range f.fds {
		if d != nil {
			ds[n] = d.share()
		}
	}
	s.fds.restore(ds)
	if err := s.options(opts); err != nil {
		s.close()
		return nil, err
	}
	for n, what := range f.missing {
		if s.fds.slots[n].d == nil {
			s.close()
			return nil, &OpenFileError{n, what + ", which is not a file of the system"}
		}
	}
	s.bind(child)
	return s, nil
}

// options applies what ForkConfig.Options has.
func (s *System) options(opts any) error {
	switch o := opts.(type) {
	case nil:
		return nil
	case *ForkOptions:
		return s.apply(o)
	case *spindle.Passed:
		of, owned, err := receiveOptions(o)
		if err != nil {
			return err
		}
		s.owned = owned
		return s.apply(of)
	}
	return fmt.Errorf("wasi: the options for a fork are a *ForkOptions, not a %T", opts)
}

// Close implements spindle.FrozenModule.
func (f *frozen) Close() error {
	for _, d := range f.fds {
		if d != nil {
			_ = d.unref()
		}
	}
	f.of.hub.drop()
	return nil
}

func (s *System) apply(o *ForkOptions) (err error) {
	if err := s.replaceListeners(o.Listeners); err != nil {
		return err
	}
	if o.Args != nil {
		if s.args, err = newStrs(o.Args); err != nil {
			return fmt.Errorf("wasi: arguments: %w", err)
		}
	}
	if o.Env != nil {
		if s.env, err = newStrs(o.Env); err != nil {
			return fmt.Errorf("wasi: environment: %w", err)
		}
	}
	replace := func(n int, rw rights, given bool, make func() (vfs.File, error)) error {
		if !given {
			return nil
		}
		f, err := make()
		if err != nil {
			return fmt.Errorf("wasi: standard stream %d: %w", n, err)
		}
		d := newDesc(f, rightsOf(f)&^(rightFdRead|rightFdWrite)|rw, 0)
		d.std = n + 1
		s.fds.put(n, d)
		return nil
	}
	if err := replace(0, rightFdRead, o.Stdin != nil, func() (vfs.File, error) { return s.stdin(o.Stdin) }); err != nil {
		return err
	}
	if err := replace(1, rightFdWrite, o.Stdout != nil, func() (vfs.File, error) { return s.stdout(o.Stdout) }); err != nil {
		return err
	}
	return replace(2, rightFdWrite, o.Stderr != nil, func() (vfs.File, error) {
		if same(o.Stdout, o.Stderr) {
			return s.fds.slots[1].d.file, nil
		}
		return s.stdout(o.Stderr)
	})
}

// replaceListeners puts sockets in the place of those that the parent had, with the status flags that the guest has set there.
func (s *System) replaceListeners(ls []net.Listener) error {
	for n, slot := range s.fds.slots {
		if len(ls) == 0 {
			return nil
		}
		old := slot.d
		if old == nil {
			continue
		}
		if _, ok := old.file.(vfs.Listener); !ok {
			continue
		}
		d := newDesc(stream.OfListener(s.hub.Hub, ls[0]), old.base, old.inheriting)
		d.listener = old.listener
		d.flags.Store(old.flags.Load())
		d.noBase.Store(old.noBase.Load())
		d.noInheriting.Store(old.noInheriting.Load())
		s.fds.put(n, d)
		ls = ls[1:]
	}
	if len(ls) == 0 {
		return nil
	}
	for _, l := range ls {
		_ = l.Close()
	}
	return errors.New("wasi: the parent has fewer listening sockets than the child is given")
}
