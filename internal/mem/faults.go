package mem

import (
	"errors"
	"sync/atomic"
)

// Faults has the system fail, for tests of what becomes of a fork then.
type Faults struct {
	NoFiles   bool // it has no files in memory
	NoScan    bool // it does not have PAGEMAP_SCAN
	NoPagemap bool // it tells nothing of pages
	// After, if not 0, has that call fail, counted from 1, of those that take address space, memory or descriptors. Failed is set then.
	After  int64
	Failed atomic.Bool

	calls atomic.Int64
}

// ErrFault is the error of Faults.After.
var ErrFault = errors.New("mem: the system fails, as a test wants")

// faults is what holds for the whole program: nil but in tests.
var faults atomic.Pointer[Faults]

// SetFaults has the system fail until undo is called.
func SetFaults(f *Faults) (undo func()) {
	faults.Store(f)
	return func() { faults.Store(nil) }
}

// fault is called before each call of the system that may fail for want of something.
func fault() error {
	f := faults.Load()
	if f == nil || f.After == 0 || f.calls.Add(1) != f.After {
		return nil
	}
	f.Failed.Store(true)
	return ErrFault
}

func missing(what func(*Faults) bool) bool {
	f := faults.Load()
	return f != nil && what(f)
}
