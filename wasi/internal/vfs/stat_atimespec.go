//go:build darwin || freebsd || netbsd

package vfs

import "syscall"

func addHost(s *Stat, sys any) {
	if st, ok := sys.(*syscall.Stat_t); ok {
		s.Dev, s.Ino, s.Nlink = uint64(st.Dev), uint64(st.Ino), uint64(st.Nlink)
		s.Atim, s.Ctim = uint64(st.Atimespec.Nano()), uint64(st.Ctimespec.Nano())
	}
}
