// Package weak decides about what is not reachable by strong references: weak references, ephemerons and finalizers.
//
// Weak references and ephemerons are fields of objects (heap.Type.Weak, Ephemerons and their kinds of arrays). They live in the heap like other fields: a fork,
// a dump or a move needs nothing besides, they die with their objects, and between collections reading and writing them costs what other
// fields cost, the barrier included. A collection comes across those of live objects while it traces (policy.Tracer.Weak); one of the young meets the ones
// that are young or were written to, and the others refer to old objects only, which it keeps. Finalizers are a table beside the heap.
//
// What a collection does, when all that is reachable from roots has been found:
//
//  1. Ephemerons whose keys are alive keep their values alive, and what these lead to, until no more keys come alive; the VM's tables
//     (vm.Binding.WeakRefs) take part in this fix-point.
//  2. Weak references to what is not alive become 0, and so do ephemerons with such keys (Hayes, Ephemerons, OOPSLA 1997).
//  3. Objects with finalizers that are not alive come into the ready queue, which keeps them alive, and with them what they lead to. So a weak reference never
//     leads to an object that a finalizer has seen, but for those within what has come back: they are decided about like in 1 and 2.
package weak

import "github.com/spindle-wasm/spindle/gc/heap"

// Refs are the weak fields and ephemerons that one collection has to decide about. One goroutine at a time uses it.
type Refs struct {
	Mem *heap.Memory
	// Live tells whether the collection has found an object; of words that are no objects, those that are not 0 live for ever.
	Live func(heap.Ref) bool

	weak    []heap.Ref // objects with weak fields
	pending []uint32   // places of ephemerons whose keys have not been found
}

// Trace makes the collection find an object and returns its place, which may be new; words that are no objects come back as they are.
type Trace = func(heap.Ref) heap.Ref

// Add takes over objects that the trace has found.
func (w *Refs) Add(objects []heap.Ref) {
	types := w.Mem.Types.All()
	for _, r := range objects {
		typ := &types[w.Mem.TypeOf(r)]
		if typ.ElemWeak || len(typ.Weak) > 0 {
			w.weak = append(w.weak, r)
		}
		typ.EachEphemeron(r, w.Mem.Length(r), func(at uint32) {
			if *w.Mem.Slot(at)|*w.Mem.Slot(at + 4) != 0 {
				w.pending = append(w.pending, at)
			}
		})
	}
}

// Ephemerons is one round of the fix-point: it traces the values of those keys that are alive, and reports whether there were any. When what they lead to has
// been traced and Add has been told, another round may find more.
func (w *Refs) Ephemerons(trace Trace) (more bool) {
	kept := w.pending[:0]
	for _, at := range w.pending {
		key, value := w.Mem.Slot(at), w.Mem.Slot(at+4)
		if !w.Live(*key) {
			kept = append(kept, at)
			continue
		}
		move(key, trace(*key))
		move(value, trace(*value))
		more = true
	}
	w.pending = kept
	return more
}

// move writes a place only if it changes: fields of a forked heap's pages stay shared if they can.
func move(p *uint32, to heap.Ref) {
	if *p != to {
		*p = to
	}
}

// Dead takes what is left: places of ephemerons whose keys are dead, and objects with weak fields. Decide decides about them; it can be called for parts of the
// lists by several workers at the same time.
func (w *Refs) Dead() (ephemerons []uint32, weak []heap.Ref) {
	ephemerons, weak = w.pending, w.weak
	w.pending, w.weak = nil, nil
	return ephemerons, weak
}

// Decide clears ephemerons, and weak fields that refer to what is not alive; the others follow their objects.
func Decide(m *heap.Memory, ephemerons []uint32, weak []heap.Ref, live func(heap.Ref) bool, trace Trace) {
	for _, at := range ephemerons {
		*m.Slot(at), *m.Slot(at + 4) = 0, 0
	}
	types := m.Types.All()
	for _, r := range weak {
		types[m.TypeOf(r)].EachWeak(r, m.Length(r), func(at uint32) {
			switch p := m.Slot(at); {
			case !heap.IsObject(*p):
			case live(*p):
				move(p, trace(*p))
			default:
				*p = 0
			}
		})
	}
}
