package vfs

import "syscall"

func addHost(s *Stat, sys any) {
	if d, ok := sys.(*syscall.Win32FileAttributeData); ok {
		s.Atim, s.Ctim = uint64(d.LastAccessTime.Nanoseconds()), uint64(d.LastWriteTime.Nanoseconds())
	}
}
