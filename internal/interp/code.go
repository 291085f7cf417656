package interp

import (
	"sort"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// headerSlots is the size of a frame's header: return address and distance to the caller's frame.
const headerSlots = 2

// funcCode describes a function to calls. It holds no Go pointers; code refers to it by address.
//
// Order: entry may change while other threads read it (lowering publishes it last), so whatever else a call needs of the
// callee is found through it: the frame size lies just before the entry instruction, here and in lowered code.
type funcCode struct {
	entry   uintptr // the first instruction: lazy, until the function is lowered
	params  uint32  // slots
	results uint32  // slots
	frame   uint64  // bytes to check for before lazy runs: parameters and header
	lazy    Instr   // has the driver lower function imm
}

// funcMeta describes lowered code to whoever walks frames.
type funcMeta struct {
	fn         uint32
	header     int     // slot of the frame's header
	start, end uintptr // of the body, without the entry
	frame      int     // bytes
	refs       []refRun
	maps       []stackMap
	regions    []region
}

// Code is the code of one module, shared by all its instances. Functions are lowered when they are first called.
type Code struct {
	m      *wasm.Module
	engine *Engine
	descs  []funcCode // by defined function

	mu      sync.Mutex
	chunks  []*chunk                   // guarded by mu
	offsets map[place]uint32           // guarded by mu; what backtraces asked for lately: traps tend to repeat
	sets    map[uint32][]vm.PointerSet // guarded by mu; see pointerSets
}

// place is an instruction of a lowered function.
type place struct {
	fn    uint32
	index int
}

// maxOffsets bounds Code.offsets.
const maxOffsets = 1024

// chunk is a piece of code memory. Functions in it are in the order of their addresses.
type chunk struct {
	code  []Instr // its array never moves
	metas []*funcMeta
}

// Sizes of chunks, in instructions.
const (
	firstChunk = 256
	maxChunk   = 1 << 16
)

func newCode(e *Engine, m *wasm.Module) *Code {
	c := &Code{m: m, engine: e, descs: make([]funcCode, len(m.Bodies))}
	for i := range c.descs {
		d := &c.descs[i]
		fn := uint32(m.NumImportedFuncs + i)
		ft := m.FuncType(fn)
		d.params, d.results = uint32(slotsOf(ft.Params)), uint32(slotsOf(ft.Results))
		d.frame = uint64(d.params+headerSlots) * 8
		d.lazy = Instr{op: opLazy, imm: uint64(fn)}
		d.entry = addrOf(&d.lazy)
	}
	return c
}

// FuncAddr implements vm.Code.
func (c *Code) FuncAddr(fn uint32) uintptr { return addrOf(c.desc(fn)) }

func (c *Code) desc(fn uint32) *funcCode { return &c.descs[int(fn)-c.m.NumImportedFuncs] }

// lower makes the code of a function, unless another thread has, and returns its entry.
func (c *Code) lower(fn uint32) (entry uintptr, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.desc(fn)
	if d.entry != addrOf(&d.lazy) {
		return d.entry, nil
	}
	l := c.engine.lowerer()
	defer c.engine.done(l)
	if err := l.run(c, fn); err != nil {
		return 0, err
	}
	var buf [8]Instr
	pre := l.entry(buf[:0])
	n := 1 + len(pre) + len(l.code)
	ch := c.chunkFor(n)
	at := len(ch.code)
	meta := &funcMeta{fn: fn, header: l.header, frame: l.maxTop * 8, refs: clone(l.refs), maps: clone(l.maps), regions: clone(l.regions)}
	ch.code = append(ch.code, Instr{op: opUnreachable, imm: uint64(meta.frame)})
	ch.code = append(append(ch.code, pre...), l.code...)
	first := addrOf(&ch.code[at])
	meta.start = first + uintptr(1+len(pre))*instrSize
	meta.end = first + uintptr(n)*instrSize
	ch.metas = append(ch.metas, meta)
	entry = first + instrSize
	atomic.StoreUintptr(&d.entry, entry)
	return entry, nil
}

func clone[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return append([]T(nil), s...)
}

func (c *Code) chunkFor(n int) *chunk {
	size := firstChunk
	if k := len(c.chunks); k > 0 {
		last := c.chunks[k-1]
		if cap(last.code)-len(last.code) >= n {
			return last
		}
		size = min(cap(last.code)*2, maxChunk)
	}
	ch := &chunk{code: make([]Instr, 0, max(size, n))}
	c.chunks = append(c.chunks, ch)
	return ch
}

// find returns the function whose body contains an address, nil if none does.
func (c *Code) find(pc uintptr) *funcMeta {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.chunks {
		first := addrOf(&ch.code[:1][0])
		if pc < first || pc >= first+uintptr(len(ch.code))*instrSize {
			continue
		}
		i := sort.Search(len(ch.metas), func(i int) bool { return ch.metas[i].end > pc })
		if i < len(ch.metas) && pc >= ch.metas[i].start {
			return ch.metas[i]
		}
	}
	return nil
}

// offset finds the Wasm instruction behind an instruction, by lowering the function again.
func (c *Code) offset(fn uint32, index int) uint32 {
	at := place{fn, index}
	c.mu.Lock()
	off, ok := c.offsets[at]
	c.mu.Unlock()
	if ok {
		return off
	}
	off = c.findOffset(fn, index)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offsets == nil || len(c.offsets) >= maxOffsets {
		c.offsets = map[place]uint32{}
	}
	c.offsets[at] = off
	return off
}

func (c *Code) findOffset(fn uint32, index int) uint32 {
	l := c.engine.lowerer()
	defer c.engine.done(l)
	l.trace = true
	if err := l.run(c, fn); err != nil || index >= len(l.offsets) {
		return 0
	}
	return l.offsets[index]
}

// loadEntry reads a function's entry as any thread may.
func loadEntry(d *funcCode) uintptr { return atomic.LoadUintptr(&d.entry) }

// bodyStart is the address of a lowered function's first instruction after the entry.
func (c *Code) bodyStart(fn uint32) uintptr {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.chunks {
		for _, m := range ch.metas {
			if m.fn == fn {
				return m.start
			}
		}
	}
	return 0
}
