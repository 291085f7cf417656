//go:build !unix

package interp

import "time"

// cpuTime reports false: benchmarks have the clock only.
func cpuTime() (time.Duration, bool) { return 0, false }
