package wasi

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// saved is a System in a snapshot. Files are not in it: standard streams and the directories that the guest was started with are those of the System that opens it.
type saved struct {
	Args, Env []string
	Monotonic time.Duration // where the clock stood: it does not go back
	Files     []savedFile   // by descriptor
}

// savedFile is one descriptor; neither Std nor Dir is set if it is free.
type savedFile struct {
	Std                  int    `json:",omitempty"` // 1 to 3
	Dir                  string `json:",omitempty"` // its path in the guest
	Flags                uint32 `json:",omitempty"`
	NoBase, NoInheriting uint64 `json:",omitempty"` // rights that were taken away
}

var (
	_ spindle.SavedModule = (*frozen)(nil)
	_ spindle.OpenState   = (*System)(nil)
	_ spindle.SavedModule = (*wasix)(nil)
	_ spindle.OpenState   = (*wasix)(nil)
)

// OpenFileError says that a guest has a file open that cannot be in a snapshot, or that whoever opens the snapshot does not have.
type OpenFileError struct {
	Descriptor int
	What       string // what it is, with its path in the guest if it has one
}

func (e *OpenFileError) Error() string {
	return fmt.Sprintf("wasi: descriptor %d is %s", e.Descriptor, e.What)
}

// Save implements spindle.SavedModule. A guest that has other files open than standard streams and the directories it was started with cannot be saved: the error is
// an *OpenFileError.
func (f *frozen) Save() ([]byte, error) {
	s := saved{Args: f.of.args.list, Env: f.of.env.list, Monotonic: f.of.monotonic()}
	for n, d := range f.fds {
		var file savedFile
		if d != nil {
			file = savedFile{Std: d.std, Flags: d.flags.Load(), NoBase: d.noBase.Load(), NoInheriting: d.noInheriting.Load()}
			switch {
			case d.std > 0:
			case d.preopened && d.name != "":
				file.Dir = d.name
			default:
				return nil, &OpenFileError{n, describeFile(d)}
			}
		}
		s.Files = append(s.Files, file)
	}
	return json.Marshal(&s)
}

func describeFile(d *desc) string {
	what := "a stream or socket"
	switch d.typ {
	case vfs.TypeDirectory:
		what = "an open directory"
	case vfs.TypeRegular:
		what = "an open file"
	}
	if d.name != "" {
		what += ", " + d.name
	}
	return what
}

// Open implements spindle.OpenState: s, which no Process has come to own, supplies streams and directories, random bytes and clocks; also arguments and variables, if it has any. It
// is closed by its maker when no Process will be made any more. A directory that s does not have is an *OpenFileError.
func (s *System) Open(state []byte) (spindle.FrozenModule, error) {
	var in saved
	if err := json.Unmarshal(state, &in); err != nil {
		return nil, fmt.Errorf("wasi: the state of a snapshot: %w", err)
	}
	f, have, err := s.openState(in.Args, in.Env, in.Monotonic, len(in.Files))
	if err != nil {
		return nil, err
	}
	defer unrefAll(have)
	for n, file := range in.Files {
		if file.Std == 0 && file.Dir == "" {
			continue
		}
		from := findFile(have, &file)
		if from == nil {
			what := "directory " + file.Dir + ", which is not given"
			if file.Dir == "" {
				what = "a standard stream, which is not given"
			}
			return nil, errors.Join(&OpenFileError{n, what}, f.Close())
		}
		d := from.share()
		f.fds[n] = d
		d.noBase.Store(file.NoBase)
		d.noInheriting.Store(file.NoInheriting)
		if d.flags.Load() != file.Flags {
			if err := d.setFlags(vfs.Flags(file.Flags)); err != nil {
				return nil, errors.Join(fmt.Errorf("wasi: descriptor %d: %w", n, err), f.Close())
			}
		}
	}
	return f, nil
}

// openState begins a frozen System that s supplies with what is not in a state. have are s's own files, which the caller gives up.
func (s *System) openState(args, env []string, monotonic time.Duration, files int) (f *frozen, have []*desc, err error) {
	if s.process.Load() != nil {
		return nil, nil, errors.New("wasi: the System is a Process's")
	}
	if files > s.fds.max {
		return nil, nil, errors.New("wasi: MaxFiles is too small for what the guest has open")
	}
	begin, base := s.monotonic(), max(0, monotonic)
	of := &System{args: s.args, env: s.env, hub: s.hub, random: s.random, realtime: s.realtime}
	of.monotonic = func() time.Duration { return base + s.monotonic() - begin }
	of.fds.max = s.fds.max
	if len(s.args.list) == 0 {
		of.args, err = newStrs(args)
	}
	if len(s.env.list) == 0 && err == nil {
		of.env, err = newStrs(env)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("wasi: the state of a snapshot: %w", err)
	}
	s.hub.refs.Add(1)
	return &frozen{of: of, fds: make([]*desc, files)}, s.fds.share(), nil
}

func findFile(have []*desc, file *savedFile) *desc {
	for _, d := range have {
		if d != nil && (file.Std > 0 && d.std == file.Std || file.Dir != "" && d.preopened && d.name == file.Dir) {
			return d
		}
	}
	return nil
}

// Save implements spindle.SavedModule.
func (w *wasix) Save() ([]byte, error) { return nil, nil }

// Open implements spindle.OpenState.
func (w *wasix) Open([]byte) (spindle.FrozenModule, error) { return w, nil }
