package spindle

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// AuxStackError says why a thread that the host starts has no stack in linear memory.
type AuxStackError struct {
	Instance string // its name, may be empty
	Msg      string
}

func (e *AuxStackError) Error() string {
	if e.Instance == "" {
		return "no stack in linear memory for a new thread: " + e.Msg
	}
	return fmt.Sprintf("no stack in linear memory for a new thread: instance %q: %s", e.Instance, e.Msg)
}

func isAuxStackError(err error) bool {
	var aux *AuxStackError
	return errors.As(err, &aux)
}

// auxStack is how threads get a stack and thread-local variables in one instance's memory.
//
// The stack is a block of the guest's allocator, which itself needs a stack to run on, in a new instance whose stack pointer still is the main
// thread's. So the allocator runs on a stack of the Process's own: pages that memory.grow gave, once for each Process and memory, one thread at
// a time. See RATIONALE.md.
type auxStack struct {
	name         string // the instance's
	inst         uint32 // its index in each thread's store
	sp           uint32 // global
	malloc, free uint32
	hooks        [2]uint32 // begin, end; noFunc
	wide         bool      // 64-bit addresses
	tls          bool
	initTLS      uint32
	tlsSize      uint32 // global
	tlsAlign     uint32 // global

	boot auxBlock // guarded by Process.bootstrap; made at the first use
}

// auxBlock is a stack in linear memory, with the thread-local variables behind it:
//
//	block ≤ low [ stack ] high ≤ tls [ variables ]
type auxBlock struct {
	of             *auxStack
	block          uint64 // what malloc gave
	low, high, tls uint64
}

const (
	// stackAlign is what C expects of a stack pointer.
	stackAlign = 16
	// bootstrapStack is at least what allocators find on the stack that they run on.
	bootstrapStack = 32 << 10

	noFunc = ^uint32(0)

	hookBegin = 0
	hookEnd   = 1
)

var hookNames = [...]string{hookBegin: "__host_thread_begin", hookEnd: "__host_thread_end"}

// auxStacks returns what threads of the Process's instances need.
func (p *Process) auxStacks() ([]*auxStack, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.stacksOf < len(p.all); p.stacksOf++ {
		inst := p.all[p.stacksOf]
		if inst == nil {
			continue
		}
		a, err := newAuxStack(inst)
		if err != nil {
			return nil, err
		}
		if a != nil {
			p.stacks = append(p.stacks, a)
		}
	}
	return p.stacks, nil
}

// newAuxStack looks for what a C module has for its threads: nil for a module that needs nothing, be it that it has no stack in linear
// memory, another instance's, or one in a memory that each thread has of its own.
func newAuxStack(inst *Instance) (*auxStack, error) {
	m := inst.mod.m
	if len(m.Memories) == 0 || !m.Memories[0].Shared {
		return nil, nil
	}
	a := &auxStack{name: inst.name, inst: inst.inst.Index, wide: m.Memories[0].Is64}
	fail := func(msg string) (*auxStack, error) { return nil, &AuxStackError{inst.name, msg} }
	var ok bool
	addr := wasm.I32
	if a.wide {
		addr = wasm.I64
	}
	if a.sp, ok = vm.FindStackPointer(m); !ok {
		if _, ok := m.FindExport("__wasm_init_tls", wasm.ExternFunc); ok {
			return fail("the module does not tell which global is its stack pointer: export __stack_pointer")
		}
		return nil, nil
	}
	if int(a.sp) < m.NumImportedGlobals {
		return nil, nil
	}
	a.initTLS, a.tls = findFunc(m, "__wasm_init_tls", []wasm.ValType{addr}, nil)
	for _, f := range []struct {
		name    string
		fn      *uint32
		results []wasm.ValType
	}{{"malloc", &a.malloc, []wasm.ValType{addr}}, {"free", &a.free, nil}} {
		if *f.fn, ok = exportedFunc(m, f.name, []wasm.ValType{addr}, f.results); !ok {
			return fail("the module exports no " + f.name + " of the usual type (without a stack: SpawnConfig.NoStack)")
		}
	}
	for k, params := range [...][]wasm.ValType{hookBegin: {wasm.I32, addr, addr}, hookEnd: nil} {
		if a.hooks[k], ok = exportedFunc(m, hookNames[k], params, nil); !ok {
			a.hooks[k] = noFunc
		}
	}
	if a.tls {
		for name, g := range map[string]*uint32{"__tls_size": &a.tlsSize, "__tls_align": &a.tlsAlign} {
			if *g, ok = findGlobal(m, name, addr); !ok {
				return fail("the module has thread-local variables, but does not tell how large: export __tls_size and __tls_align")
			}
		}
	}
	return a, nil
}

func exportedFunc(m *wasm.Module, name string, params, results []wasm.ValType) (uint32, bool) {
	fn, ok := m.FindExport(name, wasm.ExternFunc)
	return fn, ok && hasType(m, fn, params, results)
}

func hasType(m *wasm.Module, fn uint32, params, results []wasm.ValType) bool {
	t := m.FuncType(fn)
	return slices.Equal(t.Params, params) && slices.Equal(t.Results, results)
}

// findFunc finds a function by its export or, in a module that was not stripped, by its name.
func findFunc(m *wasm.Module, name string, params, results []wasm.ValType) (uint32, bool) {
	if fn, ok := exportedFunc(m, name, params, results); ok {
		return fn, true
	}
	found := noFunc // the first one, should there be several of the name
	for fn, n := range m.Names().Funcs {
		if n == name && fn < found && int(fn) < len(m.Funcs) && hasType(m, fn, params, results) {
			found = fn
		}
	}
	return found, found != noFunc
}

// findGlobal is findFunc for globals.
func findGlobal(m *wasm.Module, name string, t wasm.ValType) (uint32, bool) {
	if g, ok := m.FindExport(name, wasm.ExternGlobal); ok && m.Globals[g].Type.Type == t {
		return g, true
	}
	g, ok := m.GlobalNamed(name)
	return g, ok && int(g) < len(m.Globals) && m.Globals[g].Type.Type == t
}

// setUp gives a new thread its stacks and runs its start functions, which also need one if they use C's.
func (s *spawned) setUp(t *vm.Thread) error {
	if err := s.p.awaitStarts(t); err != nil {
		return err
	}
	if err := s.p.runCalls(t, tellCalls(t, s.stacks, nil)); err != nil {
		return err
	}
	if len(s.stacks) == 0 {
		return s.p.runCalls(t, startsOf(t, nil))
	}
	if err := s.onBootstrap(t, func() error {
		if err := s.p.runCalls(t, startsOf(t, nil)); err != nil {
			return err
		}
		return s.allocate(t)
	}); err != nil {
		return err
	}
	for _, b := range s.blocks {
		if err := b.use(s.p, t); err != nil {
			return err
		}
	}
	return nil
}

// awaitStarts waits until the start functions of the main thread's instances have run. A module over shared memory takes the first thread that
// runs its start function for the main one, and lets that one fill the memory; so does wasm-ld's.
func (p *Process) awaitStarts(t *vm.Thread) error {
	for k := range t.Store.Instances {
		inst := p.mainInstance(uint32(k))
		if inst == nil || inst.started == nil {
			continue
		}
		select {
		case <-inst.started:
			continue
		default:
		}
		stopped := t.Stopped()
		if err := t.Block(func() {
			select {
			case <-inst.started:
			case <-stopped:
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// onBootstrap runs f, which calls guest code, with all stack pointers in the stacks that the Process has for that.
func (s *spawned) onBootstrap(t *vm.Thread, f func() error) error {
	if err := s.p.lockBootstrap(t); err != nil {
		return err
	}
	defer func() { <-s.p.bootstrap }()
	for _, a := range s.stacks {
		if int(a.inst) >= len(t.Store.Instances) {
			continue
		}
		if a.boot.of == nil {
			if err := a.makeBoot(t); err != nil {
				return err
			}
		}
		if err := a.boot.use(s.p, t); err != nil {
			return err
		}
	}
	return f()
}

// lockBootstrap takes the bootstrap stacks for a thread.
func (p *Process) lockBootstrap(t *vm.Thread) error {
	select {
	case p.bootstrap <- struct{}{}:
		return nil
	default:
	}
	stopped, got := t.Stopped(), false
	err := t.Block(func() {
		select {
		case p.bootstrap <- struct{}{}:
			got = true
		case <-stopped:
		}
	})
	if err != nil && got {
		<-p.bootstrap
	}
	return err
}

// layout tells how much memory a stack of size bytes with the thread's variables takes, wherever it begins.
func (a *auxStack) layout(t *vm.Thread, size uint64) (need, tlsSize, tlsAlign uint64, err error) {
	if tlsAlign = 1; a.tls {
		inst := t.Store.Instances[a.inst]
		tlsSize, _ = inst.Global(a.tlsSize).Get()
		tlsAlign, _ = inst.Global(a.tlsAlign).Get()
		tlsSize, tlsAlign = a.address(tlsSize), max(a.address(tlsAlign), 1)
	}
	const most = 1 << 40 // far more than any memory has: sums of these cannot overflow
	if size > most || tlsSize > most || tlsAlign > most || tlsAlign&(tlsAlign-1) != 0 {
		return 0, 0, 0, &AuxStackError{a.name, fmt.Sprintf("a stack of %d bytes, and %d bytes of variables aligned to %d, cannot be", size, tlsSize, tlsAlign)}
	}
	return stackAlign - 1 + size + tlsAlign - 1 + tlsSize, tlsSize, tlsAlign, nil
}

// address takes an address or size out of a slot.
func (a *auxStack) address(slot uint64) uint64 {
	if a.wide {
		return slot
	}
	return uint64(uint32(slot))
}

func align(x, to uint64) uint64 { return (x + to - 1) &^ (to - 1) }

// makeBoot takes pages for the bootstrap stack. Only memory.grow gives memory that no allocator of the guest has, or will have.
func (a *auxStack) makeBoot(t *vm.Thread) error {
	need, tlsSize, tlsAlign, err := a.layout(t, bootstrapStack)
	if err != nil {
		return err
	}
	pages := (need + PageSize - 1) / PageSize
	m := t.Store.Instances[a.inst].Memories[0]
	old, ok := m.Grow(pages)
	if !ok {
		return &AuxStackError{a.name, fmt.Sprintf("the memory has %d pages and cannot grow by %d", m.Pages(), pages)}
	}
	low := old * PageSize
	tls := (low + pages*PageSize - tlsSize) &^ (tlsAlign - 1)
	a.boot = auxBlock{of: a, low: low, high: tls &^ (stackAlign - 1), tls: tls}
	return nil
}

// allocate calls the guest's allocators for the thread's blocks.
func (s *spawned) allocate(t *vm.Thread) error {
	size := uint64(s.cfg.StackSize)
	if s.cfg.StackSize <= 0 {
		size = DefaultAuxStackSize
	}
	size = align(size, stackAlign)
	for _, a := range s.stacks {
		if int(a.inst) >= len(t.Store.Instances) {
			continue
		}
		need, _, tlsAlign, err := a.layout(t, size)
		if err != nil {
			return err
		}
		noMemory := &AuxStackError{a.name, fmt.Sprintf("malloc gave no %d bytes", need)}
		m := t.Store.Instances[a.inst].Memories[0]
		if !a.wide && need > math.MaxUint32 {
			return noMemory
		}
		slots := []uint64{need}
		if err := s.p.callIn(t, t.Store.Instances[a.inst], a.malloc, slots); err != nil {
			return err
		}
		b := auxBlock{of: a, block: a.address(slots[0])}
		b.low = align(b.block, stackAlign)
		b.high = b.low + size
		b.tls = align(b.high, tlsAlign)
		if n := m.Len(); b.block == 0 || n < need || b.block > n-need {
			return noMemory
		}
		s.blocks = append(s.blocks, b)
	}
	return nil
}

// use makes a block the thread's stack, with fresh variables.
func (b *auxBlock) use(p *Process, t *vm.Thread) error {
	inst := t.Store.Instances[b.of.inst]
	inst.Global(b.of.sp).Set(b.high, 0)
	if err := p.setAuxStack(t, inst, b.low, b.high); err != nil {
		return err
	}
	if !b.of.tls {
		return nil
	}
	return p.callIn(t, inst, b.of.initTLS, []uint64{b.tls})
}

// hook calls an export by which a module wants to know of threads that the host starts.
func (s *spawned) hook(t *vm.Thread, which int) error {
	for _, b := range s.blocks {
		fn := b.of.hooks[which]
		if fn == noFunc {
			continue
		}
		slots := []uint64{uint64(t.ID), b.low, b.high}
		if err := s.p.callIn(t, t.Store.Instances[b.of.inst], fn, slots); err != nil {
			return err
		}
	}
	return nil
}

// freeBlocks gives the thread's stacks back. Nothing runs on them any more.
func (s *spawned) freeBlocks(t *vm.Thread) error {
	if len(s.blocks) == 0 {
		return nil
	}
	return s.onBootstrap(t, func() error {
		for len(s.blocks) > 0 {
			b := s.blocks[0]
			s.blocks = s.blocks[1:]
			if err := s.p.callIn(t, t.Store.Instances[b.of.inst], b.of.free, []uint64{b.block}); err != nil {
				return err
			}
		}
		return nil
	})
}
