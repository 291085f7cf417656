//go:build !linux

package serve

// residentMemory knows nothing here.
func residentMemory() (shared, private uint64, ok bool) { return 0, 0, false }
