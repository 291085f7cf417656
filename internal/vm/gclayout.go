package vm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// StoreKind says how a value is kept in an object.
type StoreKind uint8

// The kinds. Floats are kept as integers of their size.
const (
	StoreI8 StoreKind = iota
	StoreI16
	StoreI32
	StoreI64
	StoreV128
	StoreRef  // 32 bits of the any or extern hierarchy: traced, and its writes have a barrier
	StoreFunc // 32 bits: a funcref is never collected
	StoreExn  // 32 bits: an index in the heap's exceptions, traced by full collections
)

// Shift returns log2 of the kind's size in bytes.
func (k StoreKind) Shift() uint8 { return [...]uint8{0, 1, 2, 3, 4, 2, 2, 2}[k] }

// FieldLayout is where a field is, and how.
type FieldLayout struct {
	Off  uint32 // from the start of the object, whose header has 8 bytes
	Kind StoreKind
	Type wasm.ValType // canonical; may be packed
}

// Layout is how objects of a type lie in the heap: a header of 8 bytes (gc/heap: the lower half is the TypeID, the upper one an array's length),
// then the fields. Each field stands in declaration order at the lowest free offset that is a multiple of its size (of 8 for a
// v128), so small fields fill the holes that larger ones leave, and where a field stands depends on the fields before it only: those of a supertype
// stand where they do in the supertype. An array's elements begin at offset 8.
//
// A Layout is immutable.
type Layout struct {
	ID        wasm.TypeID
	Kind      wasm.CompKind // CompStruct or CompArray
	Size      uint32        // of a struct, header included, a multiple of 8; 0 for an array
	Fields    []FieldLayout // of a struct
	Elem      FieldLayout   // of an array; its Off is 8
	ElemShift uint8         // of an array: log2 of an element's size
}

// LayoutOf returns the layout of a type of the space, nil if it is a function type. Preconditions: id is of the space. Any goroutine may call it.
func LayoutOf(ts *wasm.TypeSpace, id wasm.TypeID) *Layout {
	g := gcTypesOf(ts)
	if l := *g.layouts.Load(); int(id) < len(l) {
		return l[id]
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.extendLocked()[id]
}

// The display table (Cohen, TOPLAS 1991), which Context.Supers points to: an entry of DisplayStride bytes for each TypeID. Word d of the entry of a (d below
// DisplayDepth) is the TypeID of a's supertype at depth d, a itself at its own depth, and ^0 beyond. So for b at a depth below DisplayDepth, a is b or below it
// exactly if word depth(b) of a's entry is b. For deeper types ask wasm.TypeSpace.IsSubtype. The word at DisplayKind is the wasm.CompKind.
const (
	DisplayShift  = 6
	DisplayStride = 1 << DisplayShift
	DisplayDepth  = 15
	DisplayKind   = 4 * DisplayDepth
)

// maxDisplay bounds the display's reservation: 1,048,576 types on 64-bit systems.
const maxDisplay = 16 << 20 << (^uintptr(0) >> 63 << 1)

// gcTypes is what a Runtime's heaps share about the types of its space. It grows with the space; a TypeID of package heap is that of the space.
type gcTypes struct {
	ts      *wasm.TypeSpace
	types   heap.Types
	layouts atomic.Pointer[[]*Layout] // by TypeID, nil for function types; appended to under mu

	mu      sync.Mutex
	heaps   int         // guarded by mu; that use the display
	display *mem.Region // guarded by mu; nil if there is no heap. Its base stays
	shown   int         // guarded by mu; types in the display
}

func gcTypesOf(ts *wasm.TypeSpace) *gcTypes {
	return ts.Attached(func() any {
		g := &gcTypes{ts: ts}
		g.layouts.Store(new([]*Layout))
		return g
	}).(*gcTypes)
}

// extendLocked makes layouts of all types that the space has now.
func (g *gcTypes) extendLocked() []*Layout {
	ls := *g.layouts.Load()
	n := g.ts.Len()
	for id := len(ls); id < n; id++ {
		l, t := newLayout(g.ts.Def(wasm.TypeID(id)), wasm.TypeID(id), g.ts)
		if _, err := g.types.Add(t); err != nil {
			panic(err) // a layout that package heap does not take is a bug of newLayout
		}
		ls = append(ls, l) // readers keep what they have
	}
	g.layouts.Store(&ls)
	return ls
}

// hold makes the display for one heap more, or brings it up to date for one that has it (again is true). It returns the display's address.
func (g *gcTypes) hold(pools *Pools, again bool) (uintptr, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.extendLocked())
	if n > maxDisplay/DisplayStride {
		return 0, &LimitError{Limit: "types of a runtime with a GC heap", Max: maxDisplay / DisplayStride, Got: uint64(n)}
	}
	if g.display == nil {
		r, err := pools.get(maxDisplay, max(n, 1)*DisplayStride)
		if err != nil {
			return 0, fmt.Errorf("display of types: %w", err)
		}
		g.display, g.shown = r, 0
	} else if err := g.display.Commit(n * DisplayStride); err != nil {
		return 0, fmt.Errorf("display of types: %w", err)
	}
	for ; g.shown < n; g.shown++ {
		g.showLocked(wasm.TypeID(g.shown))
	}
	if !again {
		g.heaps++
	}
	return g.display.Base(), nil
}

func (g *gcTypes) showLocked(id wasm.TypeID) {
	words := refsAt(g.display.Base()+uintptr(id)<<DisplayShift, DisplayDepth+1)
	fillRefs(words[:DisplayDepth], ^uint32(0))
	for d, super := range g.ts.Supers(id) {
		if d < DisplayDepth {
			words[d] = uint32(super)
		}
	}
	words[DisplayKind/4] = uint32(g.ts.Def(id).Kind)
}

// drop takes one hold back.
func (g *gcTypes) drop(pools *Pools) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heaps--; g.heaps == 0 {
		pools.put(g.display, g.shown*DisplayStride)
		g.display = nil
	}
}

// Classes of foreign fields (heap.ForeignField).
const (
	foreignHost uint8 = iota // may hold a host value beside objects and i31: anyref, externref
	foreignExn
)

// newLayout lays a type out, for engines and for the collector.
func newLayout(def *wasm.SubType, id wasm.TypeID, ts *wasm.TypeSpace) (*Layout, heap.Type) {
	l := &Layout{ID: id, Kind: def.Kind}
	name := strconv.Itoa(int(id))
	switch def.Kind {
	case wasm.CompStruct:
		t := heap.Type{Name: "struct " + name}
		p := placer{end: heap.HeaderSize}
		l.Fields = make([]FieldLayout, len(def.Fields))
		for i, f := range def.Fields {
			fl := fieldLayout(f, ts)
			fl.Off = p.place(1 << fl.Kind.Shift())
			l.Fields[i] = fl
			if fl.Kind == StoreRef {
				t.Refs = append(t.Refs, fl.Off)
			}
			if class, ok := fl.foreign(); ok {
				t.Foreign = append(t.Foreign, heap.ForeignField{Offset: fl.Off, Class: class})
			}
		}
		l.Size = (p.end + 7) &^ 7
		t.Size = l.Size
		return l, t
	case wasm.CompArray:
		fl := fieldLayout(def.Fields[0], ts)
		fl.Off = heap.HeaderSize
		l.Elem, l.ElemShift = fl, fl.Kind.Shift()
		t := heap.Type{Name: "array " + name, Elem: 1 << l.ElemShift, ElemRef: fl.Kind == StoreRef}
		if class, ok := fl.foreign(); ok {
			t.Foreign = []heap.ForeignField{{Class: class}}
		}
		return l, t
	}
	return nil, heap.Type{Name: "func " + name, Size: heap.HeaderSize} // keeps the numbers equal; no object has it
}

func fieldLayout(f wasm.FieldType, ts *wasm.TypeSpace) FieldLayout {
	l := FieldLayout{Type: f.Type}
	switch f.Type {
	case wasm.I8:
		l.Kind = StoreI8
	case wasm.I16:
		l.Kind = StoreI16
	case wasm.I32, wasm.F32:
		l.Kind = StoreI32
	case wasm.I64, wasm.F64:
		l.Kind = StoreI64
	case wasm.V128:
		l.Kind = StoreV128
	default:
		switch ts.TopOf(f.Type) {
		case wasm.HeapFunc:
			l.Kind = StoreFunc
		case wasm.HeapExn:
			l.Kind = StoreExn
		default:
			l.Kind = StoreRef
		}
	}
	return l
}

// Barrier reports whether a write of such a field is to be remembered (Thread.Remember): collections that do not look at all objects have to see
// what it refers to, also if that is an exception.
func (k StoreKind) Barrier() bool { return k == StoreRef || k == StoreExn }

// foreign returns which of the heap's tables the field may refer to. Of the any hierarchy only any itself has host values (Ref).
func (l *FieldLayout) foreign() (class uint8, ok bool) {
	if l.Kind == StoreExn {
		return foreignExn, true
	}
	h := l.Type.Heap()
	return foreignHost, l.Kind == StoreRef && (h == wasm.HeapAny || h == wasm.HeapExtern)
}

// placer gives fields their places.
type placer struct {
	end   uint32
	holes [][2]uint32 // by offset; few, as each is smaller than the fields' largest alignment
}

// place takes size bytes, a power of two, at the lowest free multiple of size or 8.
func (p *placer) place(size uint32) uint32 {
	align := min(size, 8)
	for i, h := range p.holes {
		at := (h[0] + align - 1) &^ (align - 1)
		if at+size > h[1] {
			continue
		}
		p.holes = slices.Delete(p.holes, i, i+1)
		p.free(h[0], at)
		p.free(at+size, h[1])
		return at
	}
	at := (p.end + align - 1) &^ (align - 1)
	p.free(p.end, at)
	p.end = at + size
	return at
}

func (p *placer) free(from, to uint32) {
	if from == to {
		return
	}
	i, _ := slices.BinarySearchFunc(p.holes, from, func(h [2]uint32, at uint32) int { return cmp.Compare(h[0], at) })
	p.holes = slices.Insert(p.holes, i, [2]uint32{from, to})
}
