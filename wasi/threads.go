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

// SharedMemories supplies the shared memories that mod imports and imports does not have, as wasi-threads wants: the host makes them,
// under whatever name the module imports them. It adds to imports; release gives back the caller's hold on them and may be called once a
// Process has been made.
func SharedMemories(rt *spindle.Runtime, mod *spindle.Module, imports spindle.Imports) (release func(), err error) {
	var made []*spindle.Memory
	release = func() {
		for _, m := range made {
			m.Close()
		}
	}
	for im := range mod.Imports() {
		if im.Kind != spindle.KindMemory || !im.Memory.Shared {
			continue
		}
		under := imports[im.Module]
		o, ok := under.(overlay)
		if h, is := under.(spindle.HostModule); is && h[im.Name] != nil || ok && o.over[im.Name] != nil {
			continue
		}
		m, err := rt.NewSharedMemory(*im.Memory)
		if err != nil {
			release()
			return nil, err
		}
		made = append(made, m)
		if !ok {
			o = overlay{spindle.HostModule{}, under}
			imports[im.Module] = o
		}
		o.over[im.Name] = m
	}
	return release, nil
}

// overlay is an import module with memories added. Whether one that is no HostModule has a memory of its own cannot be asked without a Process.
type overlay struct {
	over  spindle.HostModule
	under spindle.ImportModule // may be nil
}

// Lookup implements spindle.ImportModule. What is there counts before what was made for lack of it.
func (o overlay) Lookup(p *spindle.Process, name string) (spindle.Extern, bool) {
	if o.under != nil {
		if x, ok := o.under.Lookup(p, name); ok {
			return x, ok
		}
	}
	return o.over.Lookup(p, name)
}
