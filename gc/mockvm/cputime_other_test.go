//go:build !unix

package mockvm

import "time"

// Where it is not to be had, figures by processor time are infinite or 0.
func cpuTime() time.Duration { return 0 }
