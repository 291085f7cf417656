package wasi

import (
	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// ThreadModule is the name that guests import thread-spawn under.
const ThreadModule = "wasi"

// spawnFailed is what thread-spawn returns when no thread could be made; libcs make EAGAIN of any negative value.
const spawnFailed = -int32(vfs.EAGAIN)

// Threads returns the module of wasi-threads: thread-spawn(start_arg i32) -> tid i32. A guest that imports it shares its memory and its
// System with its threads. Config.MaxThreads bounds them; beyond it, and whenever no thread can be made, the guest gets a negative result.
func Threads() spindle.HostModule {
	return spindle.HostModule{"thread-spawn": spindle.Func1(func(c *spindle.Caller, arg uint32) int32 {
		tid, err := c.SpawnThread(arg)
		if err != nil {
			return spawnFailed
		}
		return int32(tid)
	}).Named(ThreadModule + ".thread-spawn")}
}
