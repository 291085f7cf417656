package serve

import (
	"bytes"
	"os"
	"strconv"
)

// residentMemory reads /proc/self/statm (proc(5)): its second field are resident pages, its third those of files and shared memory.
func residentMemory() (shared, private uint64, ok bool) {
	b, err := os.ReadFile("/proc/self/statm")
	f := bytes.Fields(b)
	if err != nil || len(f) < 3 {
		return 0, 0, false
	}
	resident, err1 := strconv.ParseUint(string(f[1]), 10, 64)
	of, err2 := strconv.ParseUint(string(f[2]), 10, 64)
	if err1 != nil || err2 != nil || of > resident {
		return 0, 0, false
	}
	size := uint64(os.Getpagesize())
	return of * size, (resident - of) * size, true
}
