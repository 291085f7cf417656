package mem

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
)

// Mappings returns how many mappings this process of the system has, and how many it may have (vm.max_map_count, Documentation/admin-guide/sysctl/vm.rst). It
// takes a microsecond for two or three mappings. The error is errors.ErrUnsupported where there is no such limit.
func Mappings() (n, limit int, err error) {
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return 0, 0, err
	}
	if limit, err = strconv.Atoi(string(bytes.TrimSpace(text))); err != nil {
		return 0, 0, err
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for buf := make([]byte, 64<<10); ; {
		k, err := f.Read(buf)
		n += bytes.Count(buf[:k], []byte("\n"))
		if errors.Is(err, io.EOF) {
			return n, limit, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}
