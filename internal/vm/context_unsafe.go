package vm

import "unsafe"

// Offsets in a Context, for tests of engines that set words behind the thread's back.
const (
	ContextFlag       = unsafe.Offsetof(Context{}.flag)
	ContextStackLimit = unsafe.Offsetof(Context{}.stackLimit)
)
