package hostfs

import (
	"hash/fnv"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/windows"
)

func setTimes(f *os.File, t vfs.Times) error {
	ft := func(ns *int64) *windows.Filetime {
		if ns == nil {
			return nil
		}
		x := windows.NsecToFiletime(*ns)
		return &x
	}
	return windows.SetFileTime(windows.Handle(f.Fd()), nil, ft(t.Atim), ft(t.Mtim))
}

// identifyFile adds what a directory entry does not tell on Windows: volume, file number, links.
func identifyFile(f *os.File, st *vfs.Stat) {
	var i windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &i) == nil {
		st.Dev, st.Ino, st.Nlink = uint64(i.VolumeSerialNumber), uint64(i.FileIndexHigh)<<32|uint64(i.FileIndexLow), uint64(i.NumberOfLinks)
	}
}

// identifyPath opens the file for its number; what cannot be opened gets one from its name, so that it differs from others.
func identifyPath(d *dir, path string, st *vfs.Stat) {
	if st.Type == vfs.TypeRegular || st.Type == vfs.TypeDirectory {
		if f, err := d.root.Open(path); err == nil {
			defer f.Close()
			identifyFile(f, st)
			return
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(d.path + "/" + path))
	st.Ino = h.Sum64()
}
