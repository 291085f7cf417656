package vfs

import (
	"io/fs"
	"time"
)

// TypeOf returns the type for a mode. WASI has none for pipes.
func TypeOf(m fs.FileMode) FileType {
	switch {
	case m.IsRegular():
		return TypeRegular
	case m&fs.ModeDir != 0:
		return TypeDirectory
	case m&fs.ModeSymlink != 0:
		return TypeSymlink
	case m&fs.ModeCharDevice != 0:
		return TypeCharDevice
	case m&fs.ModeDevice != 0:
		return TypeBlockDevice
	case m&fs.ModeSocket != 0:
		return TypeSocketStream
	}
	return TypeUnknown
}

// StatOf describes a file from what io/fs knows of it, and what the host adds.
func StatOf(fi fs.FileInfo) Stat {
	t := Nanos(fi.ModTime())
	s := Stat{Type: TypeOf(fi.Mode()), Nlink: 1, Size: uint64(max(0, fi.Size())), Atim: t, Mtim: t, Ctim: t}
	addHost(&s, fi.Sys())
	return s
}

// Nanos returns a time as WASI counts it; times before 1970 wrap around as they do in the hosts' 64-bit fields.
func Nanos(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}
