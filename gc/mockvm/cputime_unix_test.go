//go:build unix

package mockvm

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used: other work on the machine changes it less than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
