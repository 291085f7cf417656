package interp

import (
	"sort"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// moment tells which of an instruction's two safepoints a map describes.
type moment uint32

const (
	atInstr moment = iota // before the instruction: entries (at the call), loop headers, instructions of the driver
	inCall                // while the callee runs, which owns the arguments
)

// stackMap lists the operand slots that hold references at a safepoint. Locals of reference type hold one at every safepoint: those that may not be
// set there are zeroed at the entry. A safepoint without live operands of reference type has no map.
type stackMap struct {
	key   uint32 // code index << 1 | moment
	slots []refSlot
}

// refSlot is a slot that holds a reference, with its canonical static type.
type refSlot struct {
	slot uint16
	typ  wasm.ValType
}

// refRun is a run of locals that hold references.
type refRun struct {
	slot, n uint16
	typ     wasm.ValType
}

// maxMapEntries bounds the maps of one function: deep stacks of references with a call at each height would make them grow with the
// square of the body's size.
const maxMapEntries = 1 << 20

// recordMap notes which of the first n operands, and of the popped ones that the instruction still needs, are references in their homes.
func (l *lowerer) recordMap(at int, when moment, n int, popped ...operand) {
	l.zeroUnset()
	var slots []refSlot
	for _, i := range l.refOps {
		if o := &l.stack[i]; i < n && o.where == inHome {
			slots = append(slots, refSlot{uint16(o.home), l.m.Canon(o.typ)})
		}
	}
	for _, o := range popped {
		if o.typ.IsRef() && o.where == inHome {
			slots = append(slots, refSlot{uint16(o.home), l.m.Canon(o.typ)})
		}
	}
	if l.entries += len(l.refOps); l.entries > maxMapEntries {
		panic(&wasm.LimitError{Limit: "live references at a function's safepoints", Max: maxMapEntries, Got: uint64(l.entries), Func: int64(l.fn), Offset: l.in.Offset})
	}
	if slots == nil {
		return
	}
	key := uint32(at)<<1 | uint32(when)
	if k := len(l.maps); k > 0 && l.maps[k-1].key == key {
		l.maps[k-1].slots = slots // a loop's header and its first instruction are the same moment
		return
	}
	l.maps = append(l.maps, stackMap{key, slots})
}

// findMap returns the references among the operands at a safepoint. Keys ascend.
func findMap(maps []stackMap, at int, when moment) []refSlot {
	key := uint32(at)<<1 | uint32(when)
	i := sort.Search(len(maps), func(i int) bool { return maps[i].key >= key })
	if i < len(maps) && maps[i].key == key {
		return maps[i].slots
	}
	return nil
}
