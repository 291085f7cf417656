package wasi

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// saved is a System in a snapshot. What files hold is not in it: standard streams, the directories that the guest was started with and listening sockets are those of the System that opens
// it, and what was opened below these directories is opened again.
type saved struct {
	Args, Env []string
	Monotonic time.Duration // where the clock stood: it does not go back
	Files     []savedFile   // by descriptor
}

// savedFile is one descriptor; one of the first four is set unless it is free.
type savedFile struct {
	Std                  int        `json:",omitempty"` // 1 to 3
	Listener             int        `json:",omitempty"` // from 1 on
	Dir                  string     `json:",omitempty"` // its path in the guest
	Open                 *savedOpen `json:",omitempty"`
	Flags                uint32     `json:",omitempty"`
	NoBase, NoInheriting uint64     `json:",omitempty"` // rights that were taken away
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

// Save implements spindle.SavedModule. Regular files and directories below the directories that the guest was started with are saved as their paths, with offset and flags; a path must still
// lead to its file. A guest that has other things open, beside standard streams, those directories and the listening sockets it was started with, cannot be saved: the error is an *OpenFileError.
func (f *frozen) Save() ([]byte, error) {
	s := saved{Args: f.of.args.list, Env: f.of.env.list, Monotonic: f.of.monotonic()}
	for n, d := range f.fds {
		var file savedFile
		if d != nil {
			file = savedFile{Std: d.std, Flags: d.flags.Load(), NoBase: d.noBase.Load(), NoInheriting: d.noInheriting.Load()}
			switch {
			case d.std > 0:
			case d.listener > 0:
				file.Listener = d.listener
			case d.preopened && d.name != "":
				file.Dir = d.name
			case d.from != nil:
				var err error
				if file.Open, err = f.save(n); err != nil {
					return nil, err
				}
			default:
				return nil, &OpenFileError{n, describeFile(d)}
			}
		}
		s.Files = append(s.Files, file)
	}
	return json.Marshal(&s)
}

// Open implements spindle.OpenState: s, which no Process has come to own, supplies streams and directories, random bytes and clocks; also arguments and variables, if it has any. It
// is closed by its maker when no Process will be made any more. A directory, listening socket or file that s does not have, and a file that has changed, is an *OpenFileError.
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
		if file.Open != nil {
			d, err := file.Open.reopen(have, n, file.Flags)
			if err != nil {
				return nil, errors.Join(err, f.Close())
			}
			d.noBase.Or(file.NoBase)
			d.noInheriting.Or(file.NoInheriting)
			f.fds[n] = d
			continue
		}
		if file.Std == 0 && file.Listener == 0 && file.Dir == "" {
			continue
		}
		from := findFile(have, &file)
		if from == nil {
			what := "directory " + file.Dir + ", which is not given"
			switch {
			case file.Std > 0:
				what = "a standard stream, which is not given"
			case file.Listener > 0:
				what = fmt.Sprintf("listening socket %d of those that the guest was started with, which is not given", file.Listener)
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
	f.note()
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

func describeFile(d *desc) string {
	if d.name != "" {
		return typeName(d.typ) + ", " + d.name
	}
	return typeName(d.typ)
}

func findFile(have []*desc, file *savedFile) *desc {
	for _, d := range have {
		if d != nil && (file.Std > 0 && d.std == file.Std || file.Listener > 0 && d.listener == file.Listener || file.Dir != "" && d.preopened && d.name == file.Dir) {
			return d
		}
	}
	return nil
}

// Save implements spindle.SavedModule.
func (w *wasix) Save() ([]byte, error) { return nil, nil }

// Open implements spindle.OpenState.
func (w *wasix) Open([]byte) (spindle.FrozenModule, error) { return w, nil }
