package wasi

import (
	"fmt"
	"io"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// ForkOptions give a child of a fork other standard streams than its parent's, and other arguments and variables (which a guest that has read
// its own long ago will not see). They go into spindle.ForkConfig.Options under ModuleName.
type ForkOptions struct {
	// Stdin, Stdout and Stderr are as in Config; nil leaves the parent's.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Args and Env replace the parent's if they are not nil.
	Args []string
	Env  []string
}

// frozen is a System as it was at a freeze.
type frozen struct {
	of  *System
	fds []*desc
}

var _ spindle.ForkState = (*System)(nil)

// Freeze implements spindle.ForkState. As POSIX has it, parent and children share open files with their offsets and status flags, but each has descriptors of
// its own. Clocks go on, without a jump; random bytes come from the one source, so that no two Processes get the same.
func (s *System) Freeze(*spindle.Process) (spindle.FrozenModule, error) {
	s.hub.refs.Add(1)
	return &frozen{s, s.fds.share()}, nil
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
	if opts != nil {
		o, ok := opts.(*ForkOptions)
		if !ok {
			s.close()
			return nil, fmt.Errorf("wasi: the options for a fork are a *ForkOptions, not a %T", opts)
		}
		if err := s.apply(o); err != nil {
			s.close()
			return nil, err
		}
	}
	s.bind(child)
	return s, nil
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
		s.fds.put(n, newDesc(f, rightsOf(f)&^(rightFdRead|rightFdWrite)|rw, 0))
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
