//go:build !unix

package main

import "time"

// cpuTime reports false: kernels are measured by the clock here.
func cpuTime() (time.Duration, bool) { return 0, false }
