package wasi

import (
	"fmt"
	"io"
	"strings"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// origin is how a guest has opened a file: enough to open it again another day.
type origin struct {
	Dir  string // the directory that the guest was started with, by its path in the guest
	Path string // below it
	How  vfs.OpenFlags
}

// origin returns that of what is opened below x, nil if nobody could open it again.
func (x *at) origin(how vfs.OpenFlags) *origin {
	how.Create, how.Exclusive, how.Truncate, how.Status = false, false, false, 0
	o := &origin{x.name, x.path, how}
	if !x.preopened {
		if x.from == nil {
			return nil
		}
		// As the guest has said it: ".." and links lead where they led.
		o.Dir, o.Path = x.from.Dir, strings.TrimRight(x.from.Path, "/")+"/"+x.path
	}
	if o.Dir == "" || vfs.CheckPath(o.Path) != nil {
		return nil
	}
	return o
}

// fileState is what a file was when its Process was frozen.
type fileState struct {
	Offset     int64
	Size, Mtim uint64
	err        error
}

// note notes what files are.
func (f *frozen) note() {
	for n, d := range f.fds {
		if d != nil && d.from != nil {
			if f.was == nil {
				f.was = make([]fileState, len(f.fds))
			}
			f.was[n] = stateOf(d)
		}
	}
}

// stateOf reads it. The Process stands; others may write to the file.
func stateOf(d *desc) (s fileState) {
	if d.typ != vfs.TypeRegular {
		return s
	}
	st, err := d.file.Stat()
	if err == nil {
		s.Offset, err = d.file.Seek(0, io.SeekCurrent)
	}
	s.Size, s.Mtim, s.err = st.Size, st.Mtim, err
	return s
}

// savedOpen is a file in a snapshot that was opened by a path.
type savedOpen struct {
	Dir, Path              string
	Read, Write, Directory bool `json:",omitempty"`
	Follow                 bool `json:",omitempty"`
	Rights, Inheriting     rights
	fileState
}

// appends reports whether only the end of the file matters, which may be another one by then: a log.
func (s *savedOpen) appends(flags uint32) bool {
	return s.Write && !s.Read && vfs.Flags(flags)&vfs.FlagAppend != 0
}

// save describes descriptor n, which was opened by a path. The path must still lead to the file.
func (f *frozen) save(n int) (*savedOpen, error) {
	d := f.fds[n]
	o := d.from
	s := &savedOpen{
		Dir: o.Dir, Path: o.Path, Read: o.How.Read, Write: o.How.Write, Directory: d.typ == vfs.TypeDirectory, Follow: o.How.Follow,
		Rights: d.base, Inheriting: d.inheriting, fileState: f.was[n],
	}
	fail := func(format string, args ...any) (*savedOpen, error) {
		return nil, &OpenFileError{n, fmt.Sprintf("%s, %s of directory %s, ", typeName(d.typ), o.Path, o.Dir) + fmt.Sprintf(format, args...)}
	}
	if d.typ != vfs.TypeRegular && d.typ != vfs.TypeDirectory {
		return fail("which has no content that stays")
	}
	if s.err != nil {
		return fail("which cannot be examined: %v", s.err)
	}
	mount := findFile(f.fds, &savedFile{Dir: o.Dir})
	if mount == nil {
		return fail("which the guest has closed")
	}
	is, err := d.file.Stat()
	if err != nil {
		return fail("which cannot be examined: %v", err)
	}
	leads, err := mount.dir.StatPath(o.Path, o.How.Follow)
	switch {
	case err != nil:
		return fail("which is not found there any more: %v", err)
	case leads.Dev != is.Dev || leads.Ino != is.Ino:
		return fail("where there is another file now: it has been removed or renamed")
	}
	return s, nil
}

// reopen opens what descriptor n was. Of a regular file its size and the time of its last change must be what they were, unless the guest can only append to it.
func (s *savedOpen) reopen(have []*desc, n int, flags uint32) (*desc, error) {
	fail := func(format string, args ...any) (*desc, error) {
		typ := vfs.TypeRegular
		if s.Directory {
			typ = vfs.TypeDirectory
		}
		return nil, &OpenFileError{n, fmt.Sprintf("%s, %s of directory %s, ", typeName(typ), s.Path, s.Dir) + fmt.Sprintf(format, args...)}
	}
	mount := findFile(have, &savedFile{Dir: s.Dir})
	switch err := vfs.CheckPath(s.Path); {
	case mount == nil:
		return fail("which is not given")
	case err != nil:
		return fail("which is no path: %v", err)
	case s.Write && mount.readOnly:
		return fail("which is given for reading only, and the guest can write")
	case flags > uint32(vfs.FlagsAll):
		return fail("which has flags %#x", flags)
	}
	how := vfs.OpenFlags{Read: s.Read, Write: s.Write, Directory: s.Directory, Follow: s.Follow}
	x := &at{handle: handle{desc: mount}, path: s.Path}
	o := x.origin(how)
	how.Status = vfs.Flags(flags)
	file, err := mount.dir.Open(s.Path, how)
	if err != nil {
		return fail("which cannot be opened: %v", err)
	}
	d := x.child(file, s.Rights, s.Inheriting)
	d.from = o
	d.flags.Store(flags)
	if err := s.check(d, flags); err != nil {
		_ = d.unref()
		return fail("%v", err)
	}
	return d, nil
}

func (s *savedOpen) check(d *desc, flags uint32) error {
	switch want := (map[bool]vfs.FileType{false: vfs.TypeRegular, true: vfs.TypeDirectory})[s.Directory]; {
	case d.typ != want:
		return fmt.Errorf("which is now %s", typeName(d.typ))
	case s.Directory:
		return nil
	}
	st, err := d.file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("which cannot be examined: %w", err)
	case s.appends(flags):
	case st.Size != s.Size:
		return fmt.Errorf("which has changed: it had %d bytes, and has %d", s.Size, st.Size)
	case st.Mtim != s.Mtim:
		return fmt.Errorf("which has changed: it was written at another time")
	}
	if at, err := d.file.Seek(s.Offset, io.SeekStart); err != nil || at != s.Offset {
		return fmt.Errorf("which has no offset %d", s.Offset)
	}
	return nil
}

func typeName(t vfs.FileType) string {
	switch t {
	case vfs.TypeDirectory:
		return "an open directory"
	case vfs.TypeRegular:
		return "an open file"
	}
	return "a stream or socket"
}
