package wasi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/hostfs"
	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// passed is a System on its way to another OS process. Its open files go with it, those of the host: the same open file descriptions.
type passed struct {
	Args, Env []string
	Monotonic time.Duration // where the clock stood: it does not go back
	MaxFiles  int
	Files     []passedDesc // by descriptor
}

// passedDesc is one descriptor. Kind is 0 if it is free, or if it has no open file of the host: then it is What, and taken from the System that receives it, or replaced by ForkOptions.
type passedDesc struct {
	vfs.Passed
	What                                   string  `json:",omitempty"`
	Std                                    int     `json:",omitempty"` // 1 to 3
	Name                                   string  `json:",omitempty"`
	Listener                               int     `json:",omitempty"` // from 1 on
	Preopened, ReadOnly                    bool    `json:",omitempty"`
	From                                   *origin `json:",omitempty"`
	Flags                                  uint32  `json:",omitempty"`
	Base, Inheriting, NoBase, NoInheriting uint64  `json:",omitempty"`
}

var (
	_ spindle.PassedModule  = (*frozen)(nil)
	_ spindle.OpenPassed    = (*System)(nil)
	_ spindle.PassedOptions = (*ForkOptions)(nil)
)

// Pass implements spindle.PassedModule. Files of the host go with their open file descriptions; the rest, which is streams of Go code and file systems of package io/fs and in memory,
// is to be found in the System that receives it, as in a snapshot. A file of such a file system that the guest has open cannot be passed: the error is an *OpenFileError.
func (f *frozen) Pass() (_ *spindle.Passed, err error) {
	in := passed{Args: f.of.args.list, Env: f.of.env.list, Monotonic: f.of.monotonic(), MaxFiles: f.of.fds.max}
	out := &spindle.Passed{}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Close())
		}
	}()
	mounts := map[any]int{}
	mount := func(m any) int {
		n, ok := mounts[m]
		if !ok {
			n = len(mounts)
			mounts[m] = n
		}
		return n
	}
	for n, d := range f.fds {
		var p passedDesc
		if d != nil {
			p = passedDesc{
				Std: d.std, Listener: d.listener, Name: d.name, Preopened: d.preopened, ReadOnly: d.readOnly, From: d.from, Flags: d.flags.Load(),
				Base: uint64(d.base), Inheriting: uint64(d.inheriting), NoBase: d.noBase.Load(), NoInheriting: d.noInheriting.Load(),
			}
			var own *os.File
			err := error(vfs.ENOTSUP)
			if x, ok := d.file.(vfs.Passer); ok {
				p.Passed, own, err = x.Pass(mount)
			}
			if own != nil {
				out.Files = append(out.Files, own)
			}
			switch {
			case err == nil:
			case !errors.Is(err, vfs.ENOTSUP):
				return nil, fmt.Errorf("wasi: descriptor %d: %w", n, err)
			case d.std == 0 && !d.preopened:
				return nil, &OpenFileError{n, describeFile(d) + ", which is not a file of the system"}
			default:
				p.Passed, p.What = vfs.Passed{}, describeFile(d)
			}
		}
		in.Files = append(in.Files, p)
	}
	out.State, err = json.Marshal(&in)
	return out, err
}

// OpenPassed implements spindle.OpenPassed: s, which no Process has come to own, supplies random bytes and clocks, and the file systems that are not the host's. Standard streams that are not files
// of the system are missing until ForkOptions replace them: a fork without is an *OpenFileError.
func (s *System) OpenPassed(state *spindle.Passed) (_ spindle.FrozenModule, err error) {
	files := state.Files
	defer func() {
		if err != nil {
			for _, f := range files {
				err = errors.Join(err, f.Close())
			}
		}
	}()
	var in passed
	if err := json.Unmarshal(state.State, &in); err != nil {
		return nil, fmt.Errorf("wasi: the state of a fork: %w", err)
	}
	f, have, err := s.openState(in.Args, in.Env, in.Monotonic, len(in.Files))
	if err != nil {
		return nil, err
	}
	defer func() {
		unrefAll(have)
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	f.missing = map[int]string{}
	f.of.fds.max = max(f.of.fds.max, in.MaxFiles)
	receiver := hostfs.Receiver{Hub: s.hub.Hub}
	for n := range in.Files {
		p := &in.Files[n]
		var d *desc
		switch p.Kind {
		case vfs.PassedNone:
			if p.What == "" {
				continue
			}
			from := findFile(have, &savedFile{Std: p.Std, Dir: p.Name})
			if p.Std > 0 && from != nil && isNothing(from.file) {
				from = nil // what a System has that was given none
			}
			switch {
			case from == nil && p.Std == 0:
				return nil, &OpenFileError{n, p.What + ", which is not given"}
			case from == nil:
				f.missing[n] = p.What
				continue
			}
			d = from.share()
			if d.flags.Load() != p.Flags {
				if err := d.setFlags(vfs.Flags(p.Flags)); err != nil {
					_ = d.unref()
					return nil, fmt.Errorf("wasi: descriptor %d: %w", n, err)
				}
			}
		case vfs.PassedNothing:
			d = newDesc(stream.Nothing(p.Passed), rights(p.Base), rights(p.Inheriting))
		default:
			if len(files) == 0 {
				return nil, errors.New("wasi: the state of a fork has more descriptors than files")
			}
			own := files[0]
			files = files[1:]
			file, err := receiver.Receive(p.Passed, own)
			if err != nil {
				return nil, fmt.Errorf("wasi: descriptor %d: %w", n, err)
			}
			d = newDesc(file, rights(p.Base), rights(p.Inheriting))
		}
		f.fds[n] = d
		d.std, d.listener, d.name, d.preopened, d.readOnly = p.Std, p.Listener, p.Name, p.Preopened, p.ReadOnly
		if p.Kind != vfs.PassedNone {
			d.from = p.From
		}
		d.noBase.Store(p.NoBase)
		d.noInheriting.Store(p.NoInheriting)
		d.flags.Store(p.Flags)
	}
	if len(files) > 0 {
		return nil, errors.New("wasi: the state of a fork has more files than descriptors")
	}
	f.note()
	return f, nil
}

// isNothing reports whether a stream is empty, or discards.
func isNothing(f vfs.File) bool {
	d, ok := f.(*stream.Direct)
	return ok && d.Empty()
}

func unrefAll(ds []*desc) {
	for _, d := range ds {
		if d != nil {
			_ = d.unref()
		}
	}
}

// passedFork is ForkOptions on their way to another process.
type passedFork struct {
	Std       [3]bool // which are given; their files come first
	Same      bool    // stderr is stdout
	Listeners int
	Args, Env []string
}

// Pass implements spindle.PassedOptions. Streams must be *os.File, listeners those of package net.
func (o *ForkOptions) Pass() (_ *spindle.Passed, err error) {
	in := passedFork{Args: o.Args, Env: o.Env, Listeners: len(o.Listeners), Same: o.Stdout != nil && same(o.Stdout, o.Stderr)}
	out := &spindle.Passed{}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Close())
		}
	}()
	add := func(n int, from any) error {
		c, ok := from.(syscall.Conn)
		if !ok {
			return &OpenFileError{n, fmt.Sprintf("a %T, which is not a file of the system", from)}
		}
		f, err := duplicate(c)
		if err == nil {
			out.Files = append(out.Files, f)
		}
		return err
	}
	for n, std := range []any{o.Stdin, o.Stdout, o.Stderr} {
		if std == nil || n == 2 && in.Same {
			continue
		}
		in.Std[n] = true
		if err := add(n, std); err != nil {
			return nil, err
		}
	}
	for _, l := range o.Listeners {
		if err := add(-1, l); err != nil {
			return nil, err
		}
	}
	out.State, err = json.Marshal(&in)
	return out, err
}

// receiveOptions makes ForkOptions of what Pass has made of some. owned are the streams, which are to be closed with the System.
func receiveOptions(p *spindle.Passed) (o *ForkOptions, owned []*os.File, err error) {
	var in passedFork
	files := p.Files
	defer func() {
		if err != nil {
			for _, f := range append(files, owned...) {
				err = errors.Join(err, f.Close())
			}
		}
	}()
	if err := json.Unmarshal(p.State, &in); err != nil {
		return nil, nil, fmt.Errorf("wasi: the options of a fork: %w", err)
	}
	o = &ForkOptions{Args: in.Args, Env: in.Env}
	want := in.Listeners
	for _, given := range in.Std {
		if given {
			want++
		}
	}
	if in.Listeners < 0 || want != len(files) {
		return nil, nil, fmt.Errorf("wasi: the options of a fork come with %d files, not %d", len(files), want)
	}
	next := func() *os.File {
		f := files[0]
		files, owned = files[1:], append(owned, f)
		return f
	}
	if in.Std[0] {
		o.Stdin = next()
	}
	if in.Std[1] {
		o.Stdout = next()
	}
	if in.Std[2] {
		o.Stderr = next()
	} else if in.Same {
		o.Stderr = o.Stdout
	}
	for len(files) > 0 {
		l, err := net.FileListener(files[0])
		if err != nil {
			for _, l := range o.Listeners {
				err = errors.Join(err, l.Close())
			}
			return nil, nil, fmt.Errorf("wasi: the options of a fork: %w", err)
		}
		o.Listeners = append(o.Listeners, l)
		err = files[0].Close() // l has a descriptor of its own
		files = files[1:]
		if err != nil {
			return nil, nil, err
		}
	}
	return o, owned, nil
}

// ForkImports are the imports of package wasi for a guest that is forked into an OS process of its own (spindle.StandbyHost), as Start would give them. cfg supplies random bytes, clocks, and what
// the guest has that is no file of the system (in-memory file systems, package io/fs): arguments, variables, streams and directories of the host come with the guest.
func ForkImports(cfg Config) (spindle.Imports, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return spindle.Imports{ModuleName: s, ThreadModule: Threads(), WasixModule: Wasix(s), ForkModule: Forks(nil)}, nil
}
