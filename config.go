package spindle

import (
	"time"

	"github.com/spindle-wasm/spindle/internal/process"
	"github.com/spindle-wasm/spindle/internal/vm"
)

// Config configures a Process.
type Config struct {
	// Name names the Process's first instance, and the Process in dumps and Go's profiles.
	Name string
	// Imports supplies what modules import, by module name.
	Imports Imports
	// Entry is the export that Start runs; the default is "_start".
	Entry string
	// MaxMemory and StackSize override the Runtime's if they are not 0; see WithMaxMemory.
	MaxMemory uint64
	StackSize int
	// MaxThreads bounds the threads beside the main one that live at the same time; 0 means DefaultMaxThreads, less than 0 none.
	MaxThreads int
	// NoStackCheck turns the detection of overruns of the C stack in linear memory off (TrapStackOverrun), as WithoutStackCheck does for all.
	NoStackCheck bool
	// ThreadStackSize is the size in bytes of further threads' guest stacks; 0 means 1 MiB.
	ThreadStackSize int
	// Forkable says that the Process will be frozen (Process.Freeze): linear memories then lie in files from the start, where the system has
	// files in memory, and need not be copied. Each takes a file descriptor.
	Forkable bool
	// Tree bounds what the guest can do with forks.
	Tree TreeLimits
	// ThreadLabels has each guest thread's goroutine labelled with its tid for Go's profiles (LabelThread). It makes a spawn dearer by
	// about half a microsecond; LabelProcess costs nothing.
	ThreadLabels bool
	// ForkHookTimeout bounds the time of each of the guest's hooks around a fork (HookChild); 0 means DefaultForkHookTimeout.
	ForkHookTimeout time.Duration
	// GC configures the garbage-collected heap, of modules that have struct or array types.
	GC GCConfig
	// AtSafepoint, for finding bugs, is called by each guest thread at each of its safepoints that is not below a host function, which makes guests many times slower. The thread counts as
	// stopped meanwhile, so that the function may freeze the Process, and may take as long as it likes. Children call it, too.
	AtSafepoint func(p *Process)
}

// DefaultMaxThreads is used if Config.MaxThreads is 0.
const DefaultMaxThreads = process.DefaultMaxThreads

// Imports supplies what modules import, by module name.
type Imports map[string]ImportModule

// ImportModule supplies the entities that a module imports under one module name: a HostModule, an *Instance of the same
// Process, or an implementation of state for each Process such as package wasi's.
type ImportModule interface {
	// Lookup returns the entity of that name for p; ok is false if there is none.
	Lookup(p *Process, name string) (x Extern, ok bool)
}

// Extern is something that can be imported: *HostFunc, *Func, *Memory, *Table, *Global or *Tag.
type Extern interface {
	extern(p *Process) (vm.Extern, error)
}

// HostModule is a set of host-made entities.
type HostModule map[string]Extern

// Lookup implements ImportModule.
func (h HostModule) Lookup(_ *Process, name string) (Extern, bool) {
	x, ok := h[name]
	return x, ok
}
