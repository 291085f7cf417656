//go:build linux

package standby

import (
	"sync/atomic"
	"unsafe"
)

// word is the first word of a mapping. Invariant: it has one, as its file is not empty and a mapping begins with a page; and it is there as long as the Counter is, which has it
// unmapped when it is collected.
func word(b []byte) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&b[0])) }
