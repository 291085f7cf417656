package vm

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// refTables are what words of guest code refer to beside functions and objects of the heap: host values and exceptions. A store has its own;
// the stores of a Process with a GC heap share the heap's, as a word in an object must mean the same to all threads.
type refTables struct {
	mu     sync.Mutex // held if shared; by a collection of the heap, too
	shared bool       // set before a second thread knows the tables

	externs handles
	exns    exceptions
	due     atomic.Bool // for a collection, see Store.CollectDue

	mem blocks // of exceptions' fields
}

func newRefTables(pools *Pools) *refTables { return &refTables{mem: blocks{pools: pools}} }

func (x *refTables) lock() {
	if x.shared {
		x.mu.Lock()
	}
}

func (x *refTables) unlock() {
	if x.shared {
		x.mu.Unlock()
	}
}

// drop empties the tables.
func (x *refTables) drop() {
	x.mem.dropArena()
	x.externs, x.exns = handles{}, exceptions{}
	x.due.Store(false)
}

// hostValue returns a host value that is in the tables, nil if there is none. Preconditions: nobody changes the tables.
func (x *refTables) hostValue() any {
	for _, v := range x.externs.vals {
		if v != nil {
			return v
		}
	}
	return nil
}

// marks is a bit for each entry of a table. Several goroutines may set bits.
type marks []uint32

func newMarks(n int) marks { return make(marks, (n+31)/32) }

// set reports whether this call set the bit; one beyond the table has none.
func (m marks) set(i uint32) bool {
	w, bit := i/32, uint32(1)<<(i%32)
	return int(w) < len(m) && atomic.LoadUint32(&m[w])&bit == 0 && atomic.OrUint32(&m[w], bit)&bit == 0
}

func (m marks) has(i int) bool { return m[i/32]&(1<<(i%32)) != 0 }

// beginMarking forgets what an earlier collection found.
func (x *refTables) beginMarking() {
	x.externs.marked = newMarks(len(x.externs.vals))
	x.exns.marked = newMarks(len(x.exns.recs))
	x.exns.found = x.exns.found[:0]
}

// mark notes that something refers to what a word of the any or extern hierarchy, or of exn, stands for. top is the top of the word's hierarchy.
func (x *refTables) mark(r Ref, top wasm.HeapType) {
	switch top {
	case wasm.HeapExn:
		x.markExn(r)
	case wasm.HeapAny, wasm.HeapExtern:
		if IsHost(r) {
			x.externs.marked.set(r >> 2)
		}
	}
}

// markExn notes that an exception is referred to. Its fields are to be looked at, by nextFound.
func (x *refTables) markExn(r Ref) {
	if r != NullRef && x.exns.marked.set(r) {
		x.exns.foundMu.Lock()
		x.exns.found = append(x.exns.found, r)
		x.exns.foundMu.Unlock()
	}
}

// markKept marks the exceptions that need no reference to stay.
func (x *refTables) markKept() {
	for i := range x.exns.recs {
		if rec := &x.exns.recs[i]; rec.pinned > 0 || rec.tag != nil && !rec.escaped {
			x.markExn(Ref(i))
		}
	}
}

// scanFound visits the reference fields of exceptions that were marked since the last call, and of those marked meanwhile. It reports whether there were any.
func (x *refTables) scanFound(visit func(p *uint64, typ wasm.ValType)) (any bool) {
	for len(x.exns.found) > 0 {
		k := len(x.exns.found) - 1
		r := x.exns.found[k]
		x.exns.found = x.exns.found[:k]
		x.exns.recs[r].visit(visit)
		any = true
	}
	return any
}

// visitFields visits the reference fields of all exceptions.
func (x *refTables) visitFields(visit func(p *uint64, typ wasm.ValType)) {
	for i := range x.exns.recs {
		x.exns.recs[i].visit(visit)
	}
}

// sweep frees exceptions that are not marked, and host values if asked for. Of the latter the fields of an exception count only if the exception does.
func (x *refTables) sweep(externs bool) {
	for i := range x.exns.recs {
		if x.exns.recs[i].tag != nil && !x.exns.marked.has(i) {
			x.freeException(Ref(i))
		}
	}
	h := &x.externs
	for i, v := range h.vals {
		if v == nil || !externs || h.marked.has(i) {
			continue
		}
		if comparable_(v) {
			delete(h.index, v)
		}
		h.vals[i] = nil
		h.free = append(h.free, uint32(i))
	}
	x.settle()
}

// settle notes that a collection has been.
func (x *refTables) settle() {
	x.exns.sinceGC, x.externs.sinceGC = 0, 0
	x.due.Store(false)
}

// clone makes x, which is empty, a copy of from.
func (x *refTables) clone(from *refTables) error {
	var m shift
	if err := x.mem.clone(&from.mem, &m[0]); err != nil {
		return err
	}
	x.mem.cloneFree(&from.mem, &m)
	x.due.Store(from.due.Load())
	x.externs = handles{
		vals: slices.Clone(from.externs.vals), free: slices.Clone(from.externs.free), index: maps.Clone(from.externs.index), sinceGC: from.externs.sinceGC,
	}
	x.exns.recs, x.exns.free, x.exns.sinceGC = slices.Clone(from.exns.recs), slices.Clone(from.exns.free), from.exns.sinceGC
	for i := range x.exns.recs {
		x.exns.recs[i].addr = m.addr(x.exns.recs[i].addr)
	}
	return nil
}
