package vfs

import (
	"errors"
	"io"
	"math"
	"testing"
)

func TestSeek(t *testing.T) {
	broken := errors.New("broken")
	size := func() (int64, error) { return 100, nil }
	for _, c := range []struct {
		off    int64
		whence int
		size   func() (int64, error)
		want   int64
		err    error
	}{
		{7, io.SeekStart, size, 7, nil}, {7, io.SeekCurrent, size, 17, nil}, {7, io.SeekEnd, size, 107, nil}, {-100, io.SeekEnd, size, 0, nil},
		{-11, io.SeekCurrent, size, 0, EINVAL}, {-1, io.SeekStart, size, 0, EINVAL}, {math.MinInt64, io.SeekEnd, size, 0, EINVAL},
		{math.MaxInt64, io.SeekStart, size, math.MaxInt64, nil}, {math.MaxInt64, io.SeekCurrent, size, 0, EOVERFLOW},
		{0, io.SeekEnd, func() (int64, error) { return 0, broken }, 0, broken},
	} {
		if got, err := Seek(10, c.off, c.whence, c.size); got != c.want || err != c.err {
			t.Errorf("%d from %d: %d, %v, want %d, %v", c.off, c.whence, got, err, c.want, c.err)
		}
	}
}
