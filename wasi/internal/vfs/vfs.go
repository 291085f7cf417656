package vfs

// FileType is a file's type (witx "filetype").
type FileType uint8

// The file types.
const (
	TypeUnknown FileType = iota
	TypeBlockDevice
	TypeCharDevice
	TypeDirectory
	TypeRegular
	TypeSocketDgram
	TypeSocketStream
	TypeSymlink
)

// Stat describes a file. Times are nanoseconds since 1970.
type Stat struct {
	Dev, Ino         uint64
	Type             FileType
	Nlink            uint64
	Size             uint64
	Atim, Mtim, Ctim uint64
}

// Times are new times for a file, nanoseconds since 1970; a nil one stays.
type Times struct{ Atim, Mtim *int64 }

// Flags are a file's status flags (witx "fdflags").
type Flags uint16

// The status flags.
const (
	FlagAppend Flags = 1 << iota
	FlagDSync
	FlagNonblock
	FlagRSync
	FlagSync
)

// FlagsAll are the flags that exist.
const FlagsAll = FlagAppend | FlagDSync | FlagNonblock | FlagRSync | FlagSync

// OpenFlags say how to open a path.
type OpenFlags struct {
	Read, Write bool
	Create      bool
	Exclusive   bool
	Truncate    bool
	Directory   bool // fail unless it is a directory
	Follow      bool // follow a symbolic link in the last component; otherwise it fails with ELOOP
	Status      Flags
}

// File is an open file, directory or stream. Embed Unsupported for the methods that make no sense.
type File interface {
	// Type is the file's type as it was when it was opened.
	Type() FileType
	Stat() (Stat, error)
	// Read and Write work at the file's offset, which they move.
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Seek(off int64, whence int) (int64, error)
	Truncate(size int64) error
	// Allocate makes sure that the file has at least off+n bytes.
	Allocate(off, n int64) error
	Advise(off, n int64, advice uint8) error
	SetTimes(t Times) error
	Sync(dataOnly bool) error
	// SetFlags sets the status flags that the file itself must know of: append and the sync flags.
	SetFlags(f Flags) error
	Close() error
}

// Entry is one entry of a directory. Next is the cookie of the entry after it.
type Entry struct {
	Next uint64
	Ino  uint64
	Name string
	Type FileType
}

// Dir is an open directory: a capability for the tree below it.
type Dir interface {
	File
	// Entries yields the entries after the one whose Next is cookie, 0 for the beginning, "." and ".." first. Cookies stay
	// valid while entries come and go, until the directory is read from 0 again.
	Entries(cookie uint64, yield func(Entry) bool) error

	Open(path string, f OpenFlags) (File, error)
	StatPath(path string, follow bool) (Stat, error)
	SetTimesPath(path string, follow bool, t Times) error
	Mkdir(path string) error
	Rmdir(path string) error
	Unlink(path string) error
	Readlink(path string) (string, error)
	Symlink(target, path string) error
	// Rename and Link fail with EXDEV unless to is a directory of the same mount.
	Rename(path string, to Dir, newPath string) error
	Link(path string, to Dir, newPath string) error
}

// Events is a set of things to wait for.
type Events uint8

// The events.
const (
	Readable Events = 1 << iota
	Writable
)

// Readiness says what a stream can do at once.
type Readiness struct {
	Events Events // of those asked for
	Bytes  uint64 // that can be read, at least; 0 if not known or at the end
	Hangup bool   // the other side is gone
}

// Stream is a file that can make a guest wait. Read and Write return EAGAIN instead.
type Stream interface {
	File
	// Ready says what can be done at once; an error counts as being ready, so that it is seen.
	Ready(e Events) Readiness
	// Notify has ch sent to once, without blocking, when one of the events may have come, at once if one is there already.
	// Spurious sends are allowed; ch needs a buffer of 1. cancel must be called, whether or not ch was sent to.
	Notify(e Events, ch chan<- struct{}) (cancel func())
}

// SlowWriter is a Stream whose writes somebody else makes: Start copies from p and says when it is done.
type SlowWriter interface {
	Stream
	// Start returns nil if an earlier write is under way: wait for Writable.
	Start(p []byte) *WriteOp
}

// WriteOp is a write under way. N and Err may be read once Done is closed.
type WriteOp struct {
	Done chan struct{}
	N    int
	Err  error
}

// Socket is a connected stream socket.
type Socket interface {
	Stream
	// Peek is Read that leaves the bytes.
	Peek(p []byte) (int, error)
	Shutdown(read, write bool) error
}

// Listener is a socket that accepts connections.
type Listener interface {
	Stream
	// Accept returns EAGAIN if no connection waits.
	Accept() (Socket, error)
}
