package hostfs

import (
	"bytes"
	"encoding/binary"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// scan reads the next directory entries with their inode numbers and types, in one call for many.
func scan(d *dir, add func(vfs.Entry)) (end bool, err error) {
	fd, err := fdOf(d.file)
	if err != nil {
		return true, err
	}
	buf := make([]byte, 8<<10)
	n, err := unix.ReadDirent(fd, buf)
	for err == unix.EINTR {
		n, err = unix.ReadDirent(fd, buf)
	}
	if err != nil || n <= 0 {
		return true, err
	}
	// getdents64(2): inode 8 bytes, offset 8, record length 2, type 1, name up to a zero.
	const header = 19
	for b := buf[:n]; len(b) > header; {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size <= header || size > len(b) {
			return true, vfs.EIO
		}
		name := b[header:size]
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		e := vfs.Entry{Name: string(name), Ino: binary.NativeEndian.Uint64(b), Type: entryType(d, b[18], string(name))}
		b = b[size:]
		if e.Name != "." && e.Name != ".." {
			add(e)
		}
	}
	return false, nil
}

func entryType(d *dir, t byte, name string) vfs.FileType {
	if t == unix.DT_UNKNOWN { // some file systems do not tell
		if fi, err := d.root.Lstat(name); err == nil {
			return vfs.TypeOf(fi.Mode())
		}
	}
	return typeOf(uint32(t) << 12) // the type bits of a mode (DTTOIF in dirent.h)
}
