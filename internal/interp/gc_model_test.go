package interp

import (
	"fmt"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// The reference model of WasmGC: values and objects as Go has them, written down from the specification (Execution, Aggregate and Reference
// Instructions) and sharing nothing with the engine.

// gval is a value: a number in lo and hi; or a reference, which is null if nothing else is set.
type gval struct {
	lo, hi uint64
	obj    *gobj
	i31    bool // lo is its value, 31 bits
	host   int  // of a host value, counted from 1
	fn     int  // of a function, index + 1
}

func (v gval) null() bool { return v.obj == nil && !v.i31 && v.host == 0 && v.fn == 0 }

// gobj is an object of a type of the module.
type gobj struct {
	typ    int
	fields []gval
}

// gtype is a type of the module under test.
type gtype struct {
	wasm.SubType
	super int
}

// below reports whether type a is b or below it.
func below(types []gtype, a, b int) bool {
	for ; a >= 0; a = types[a].super {
		if a == b {
			return true
		}
	}
	return false
}

// is reports whether a value is of a reference type.
func (v gval) is(types []gtype, t wasm.ValType) bool {
	if v.null() {
		return t.Nullable()
	}
	switch h := t.Heap(); h {
	case wasm.HeapAny, wasm.HeapExtern, wasm.HeapFunc:
		return true
	case wasm.HeapEq:
		return v.i31 || v.obj != nil
	case wasm.HeapI31:
		return v.i31
	case wasm.HeapStruct:
		return v.obj != nil && types[v.obj.typ].Kind == wasm.CompStruct
	case wasm.HeapArray:
		return v.obj != nil && types[v.obj.typ].Kind == wasm.CompArray
	case wasm.HeapNone, wasm.HeapNoExtern, wasm.HeapNoFunc:
		return false
	default:
		return v.obj != nil && below(types, v.obj.typ, int(h))
	}
}

// gtrap and gthrow end an evaluation by a panic.
type (
	gtrap  vm.TrapCode
	gthrow struct{ vals []gval }
)

func trapIf(c bool, code vm.TrapCode) {
	if c {
		panic(gtrap(code))
	}
}

// pack is a value as a field keeps it; unpack as an instruction reads it.
func pack(t wasm.ValType, v gval) gval {
	switch t {
	case wasm.I8:
		v.lo &= 0xFF
	case wasm.I16:
		v.lo &= 0xFFFF
	}
	return v
}

func unpack(t wasm.ValType, v gval, signed bool) gval {
	switch {
	case t == wasm.I8 && signed:
		v.lo = uint64(uint32(int8(v.lo)))
	case t == wasm.I16 && signed:
		v.lo = uint64(uint32(int16(v.lo)))
	}
	return v
}

// zero is the default value of any type.
var zero gval

// sameGraph checks that a reference of the engine and a value of the model lead to the same graph of objects, by reading memory.
type sameGraph struct {
	t     *testing.T
	w     *world
	m     *wasm.Module
	inst  *vm.Instance
	types []gtype
	there map[vm.Ref]*gobj
	back  map[*gobj]vm.Ref
}

func (g *sameGraph) ref(where string, r vm.Ref, v gval) error {
	switch {
	case v.null() != (r == vm.NullRef):
		return fmt.Errorf("%s: %#x, want null %v", where, r, v.null())
	case v.null():
		return nil
	case v.fn > 0:
		if want := g.inst.FuncRef(uint32(v.fn - 1)); r != want {
			return fmt.Errorf("%s: function %#x, want %#x", where, r, want)
		}
		return nil
	case v.i31:
		if r != vm.I31Ref(uint32(v.lo)) {
			return fmt.Errorf("%s: %#x, want i31 %#x", where, r, v.lo)
		}
		return nil
	case v.host > 0:
		if x, ok := g.w.thread.Store.HostValue(r); !ok || x != v.host {
			return fmt.Errorf("%s: %#x leads to %v (%v), want host value %d", where, r, x, ok, v.host)
		}
		return nil
	case r&7 != 0:
		return fmt.Errorf("%s: %#x is no object", where, r)
	}
	if o, ok := g.there[r]; ok {
		if o != v.obj {
			return fmt.Errorf("%s: %#x is another object", where, r)
		}
		return nil
	}
	if _, ok := g.back[v.obj]; ok {
		return fmt.Errorf("%s: %#x is a second one of the same object", where, r)
	}
	g.there[r], g.back[v.obj] = v.obj, r
	addr := g.w.thread.Ctx.Heap + uintptr(r)
	id := g.m.TypeIDs[v.obj.typ]
	if got := *wordAt(addr); got != uint32(id) {
		return fmt.Errorf("%s: %#x is of type %d, want %d", where, r, got, id)
	}
	lay := vm.LayoutOf(g.w.types, id)
	if lay.Kind == wasm.CompArray {
		if n := *wordAt(addr + 4); int(n) != len(v.obj.fields) {
			return fmt.Errorf("%s: %#x has %d elements, want %d", where, r, n, len(v.obj.fields))
		}
	}
	for i, f := range v.obj.fields {
		fl := lay.Elem
		fl.Off += uint32(i) << lay.ElemShift
		if lay.Kind == wasm.CompStruct {
			fl = lay.Fields[i]
		}
		at := addr + uintptr(fl.Off)
		var lo, hi uint64
		switch fl.Kind {
		case vm.StoreI8:
			lo = uint64(uint8(*wordAt(at)))
		case vm.StoreI16:
			lo = uint64(uint16(*wordAt(at)))
		case vm.StoreI32:
			lo = uint64(*wordAt(at))
		case vm.StoreI64:
			lo = *slotAt(at)
		case vm.StoreV128:
			lo, hi = *slotAt(at), *slotAt(at + 8)
		default:
			if err := g.ref(fmt.Sprintf("%s.%d", where, i), vm.Ref(*wordAt(at)), f); err != nil {
				return err
			}
			continue
		}
		if lo != f.lo || hi != f.hi {
			return fmt.Errorf("%s.%d: %#x %#x, want %#x %#x", where, i, lo, hi, f.lo, f.hi)
		}
	}
	return nil
}
