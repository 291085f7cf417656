package vfs

import (
	"io"
	"math"
)

// Seek returns the offset off bytes from the beginning, from at, or from the end of a file, for files that keep their offset themselves. whence is
// as in package io.
func Seek(at, off int64, whence int, size func() (int64, error)) (int64, error) {
	base := int64(0)
	switch whence {
	case io.SeekCurrent:
		base = at
	case io.SeekEnd:
		n, err := size()
		if err != nil {
			return 0, err
		}
		base = n
	}
	if off > 0 && base > math.MaxInt64-off {
		return 0, EOVERFLOW
	}
	if base+off < 0 {
		return 0, EINVAL
	}
	return base + off, nil
}
