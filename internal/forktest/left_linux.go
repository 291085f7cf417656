package forktest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"time"
)

// Left is what a program holds that forks may leak: file descriptors, mappings of files in memory, goroutines.
type Left struct{ Files, Mappings, Goroutines int }

// CountLeft counts it.
func CountLeft() Left {
	if r, w, err := os.Pipe(); err == nil { // so that Go's poller has its descriptors
		r.Close() //nolint:errcheck // nothing was written
		w.Close() //nolint:errcheck // likewise
	}
	l := Left{Goroutines: runtime.NumGoroutine()}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		l.Files = len(list)
	}
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		l.Mappings = bytes.Count(maps, []byte("/memfd:"))
	}
	return l
}

// More says what there is more of than before, empty if nothing is. Goroutines that are about to end are waited for.
func (l Left) More() string {
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		now := CountLeft()
		more := ""
		for _, x := range []struct {
			what      string
			then, now int
		}{{"descriptors", l.Files, now.Files}, {"mappings of files in memory", l.Mappings, now.Mappings}, {"goroutines", l.Goroutines, now.Goroutines}} {
			if x.now > x.then {
				more += fmt.Sprintf("%d %s more; ", x.now-x.then, x.what)
			}
		}
		if more == "" || time.Now().After(end) {
			return more
		}
	}
}
