package vm

import "sync/atomic"

// Context is the block of a thread that engines read on their fast path. It lives off the Go heap at the start of the thread's
// region and holds no Go pointers: addresses in it are of off-heap memory, or of pointer-free Go memory that the Thread or its
// instances keep alive (Go's collector does not move it). Everything absolute in it is rebuilt from the Thread when the
// thread is cloned; guest-visible values never contain an address.
type Context struct {
	flag     uint32 // safepoint word; see Flag bits
	Instance uint32 // index in the store of the instance whose code runs
	// RefBase is the funcref of the first one of its module's DeclaredFuncs; the others' follow.
	RefBase Ref

	// stackLimit is the address that a frame must not reach beyond, 0 while a stop is requested: entries need one compare for
	// both questions. Engines read it plainly; the slow path re-reads it and asks the flag.
	stackLimit uintptr

	// The running instance's view, set by Thread.SwitchTo.
	Mems       uintptr // []*MemDesc: an array of addresses, in the module's index space
	Tables     uintptr // []*TableDesc, likewise
	Globals    uintptr // storage of the defined globals, GlobalSize bytes each
	ImpGlobals uintptr // array of addresses of the imported globals' storage
	// AuxFloor and AuxTop bound the pointer of its C stack in linear memory: see auxstack.go. A frame's address that is less than the floor, as a
	// difference, or more than the top goes to Instance.Overrun.
	AuxFloor int64
	AuxTop   uint64
	// Funcs is the store's array of FuncDesc: what a funcref value indexes (0 is null).
	Funcs uintptr

	// The GC heap's view, all 0 in a Process without one; see gcheap.go. It does not change while guest code runs.
	Heap     uintptr // address of offset 0 of the object area
	LogBits  uintptr // gc/heap.Bits of the objects whose next write of a reference is to be remembered (Thread.Remember)
	Alloc    uintptr // address of the thread's alloc.Bump; its Cursor and Limit are equal when Thread.NewStruct and NewArray must be asked
	Supers   uintptr // display of types; see gclayout.go
	AllocMax uint32  // size in bytes up to which Alloc may be used; 0: not at all

	// Exit state of the engine: where guest code left off. While the thread is not in guest code these describe its innermost
	// frame (see Engine.Frames).
	PC, FP uintptr
	// Arg is for the engine's own use between its exit and its driver.
	Arg uint64

	StackBase uintptr // lowest address of the guest stack; frames grow upwards from it
	stackNear uintptr // what stackLimit is restored to: nearStack above StackBase, or stackTop once frames have gone beyond
	stackTop  uintptr // real limit
}

// GlobalSize is the distance between globals in their storage: a v128 needs two slots.
const GlobalSize = 16

// Flag bits of the safepoint word. A stopper sets its bit and calls Thread.poke; the thread answers at its next safepoint.
const (
	FlagTerminate uint32 = 1 << iota // unwind with the thread's stop cause
	FlagPause                        // park until resumed (freeze, GC, dump)
	FlagYield                        // let other goroutines run
	FlagEvery                        // do something at each safepoint; see Thread.every
)

// Flag reads the safepoint word.
func (c *Context) Flag() uint32 { return atomic.LoadUint32(&c.flag) }

// FlagPlain reads the safepoint word without ordering; for the polls of frameless loops, where only eventual visibility counts.
func (c *Context) FlagPlain() uint32 { return c.flag }

// StackLimit reads the limit plainly, for the check at function entries.
func (c *Context) StackLimit() uintptr { return c.stackLimit }

// StackTop is the end of the guest stack, whatever stop is requested.
func (c *Context) StackTop() uintptr { return c.stackTop }

// StackNear is the limit at which the engine asks for more (Thread.DeepStack). It is never above StackTop.
func (c *Context) StackNear() uintptr { return c.stackNear }

// MemDesc describes a linear memory to engines. Base is stable while guest code runs except across memory.grow of an
// unshared memory; Len (bytes) only grows. Another thread may grow a shared memory at any time: an engine that keeps a copy of
// Len re-reads it before it reports an out-of-bounds access. Len comes first: it is accessed atomically, which on 32-bit
// systems wants the alignment that only an allocation's first word has.
type MemDesc struct {
	Len  uint64
	Base uintptr
}

// TableDesc describes a table to engines: Len references of 4 bytes each at Base. Both change by table.grow.
type TableDesc struct {
	Base uintptr
	Len  uint64
}

// FuncDesc is what a funcref indexes. Its identity is its index in the store, equal in every thread of a Process.
type FuncDesc struct {
	Code     uintptr // address of the engine's descriptor of the function (Code.FuncAddr); 0 for host functions
	Type     uint32  // canonical type (wasm.TypeID)
	Instance uint32  // whose function it is; for host functions: see Store.HostFunc
	Func     uint32  // function index within that instance; for host functions: index in the store's host functions
	_        uint32
}

// Ref is a guest-visible reference: 32 bits, zero is null. References of the func and exn hierarchies are indices into the
// store's tables. Those of the any and extern hierarchies share one encoding, so that converting between them is free: odd values are i31
// (value<<1|1), values with low bits 10 are host values (handle<<2|2), others are offsets into the GC heap.
type Ref = uint32

// NullRef is the null reference of every hierarchy.
const NullRef Ref = 0

// I31Ref makes an i31 reference of the low 31 bits of v.
func I31Ref(v uint32) Ref { return v<<1 | 1 }

// IsI31 reports whether a reference of the any or extern hierarchy is an i31.
func IsI31(r Ref) bool { return r&1 != 0 }

// IsHost reports whether a reference of the any or extern hierarchy is a host value.
func IsHost(r Ref) bool { return r&3 == 2 }
