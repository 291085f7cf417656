package vm

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy/image"
	"github.com/spindle-wasm/spindle/gc/weak"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// heapReader is what a snapshotReader has of a GC heap.
type heapReader struct {
	heap      *heapImage    // nil if the file has none
	refTables *refTables    // all threads'
	ids       []wasm.TypeID // by the numbers that headers have, noType between them
	same      bool          // the types have here the numbers that headers have
	roots     []heapRoot
	state     gc.State
}

// noType is for what is no number of a type.
const noType = ^wasm.TypeID(0)

// typeOf returns what a header's number means here.
func (x *heapReader) typeOf(header uint32) wasm.TypeID {
	if int64(header) < int64(len(x.ids)) {
		return x.ids[header]
	}
	return noType
}

// heapRoot is a reference that was read, to be looked at when all is there.
type heapRoot struct {
	ref gc.Ref
	typ wasm.ValType // 0 if it may be any object
	at  int64        // in the file
}

func (x *snapshotReader) readHeap() {
	g := gcTypesOf(x.Types)
	x.refTables = newRefTables(x.Pools)
	x.refTables.shared = true
	h := &heapImage{types: g, pools: x.Pools, every: x.GC.EverySafepoint, refs: x.refTables}
	if _, err := g.hold(x.Pools, false); err != nil {
		x.Failf("the heap: %w", err)
		return
	}
	x.heap = h // from here on it is closed with the reader
	x.refs(x.refTables)
	s := x.heapState()
	pages := x.Below(x.file.Sections(), "pages")
	x.types()
	if !x.ok() {
		return
	}
	cfg := x.GC.Config
	cfg.Types = &g.types
	for _, o := range []struct {
		option    string
		got, want any
		given     bool
	}{
		{"plan", cfg.Plan, s.Plan, cfg.Plan != "" && !strings.EqualFold(cfg.Plan, s.Plan)},
		{"least size of the heap", cfg.MinBytes, s.MinBytes, cfg.MinBytes != 0 && cfg.MinBytes != s.MinBytes},
		{"size of the nursery", cfg.NurseryBytes, s.NurseryBytes, cfg.NurseryBytes != 0 && cfg.NurseryBytes != s.NurseryBytes},
	} {
		if o.given {
			x.Failf("the %s is %v in the file for good, and cannot be %v", o.option, o.want, o.got)
			return
		}
	}
	if cfg.MaxBytes != 0 {
		// What is in the file has its place for good, and so has its metadata.
		s.MaxBytes, s.Memory.Limit = cfg.MaxBytes, max(cfg.MaxBytes>>heap.LogBlock, 1)
		s.MinBytes, s.NurseryBytes = min(s.MinBytes, s.MaxBytes), min(s.NurseryBytes, s.MaxBytes)
		if most := int64(s.Memory.Blocks) - 1; s.Memory.Limit > most {
			x.Failf("a heap of at most %d bytes: this file's has room for %d", cfg.MaxBytes, most<<heap.LogBlock)
			return
		}
	}
	img, err := x.file.Pages(pages)
	if err == nil {
		if h.ticket, err = gc.Open(cfg, s, img); err != nil {
			img.Close() //nolint:errcheck // the error that there is says more
		}
	}
	if err != nil {
		x.Failf("the heap: %w", err)
		return
	}
	x.state = s
}

// types reads the numbers that headers name types by.
func (x *snapshotReader) types() {
	x.same = true
	of := map[wasm.TypeID]uint32{}
	var mods []*wasm.Module
	n := x.Len(1)
	for k := range n {
		if k >= len(x.Modules) {
			x.Failf("types of %d modules of %d", n, len(x.Modules))
			return
		}
		m := x.Modules[k].Module
		mods = append(mods, m)
		if types := x.Len(1); types != len(m.TypeIDs) {
			x.Failf("module %d has %d types, not %d", k, len(m.TypeIDs), types)
			return
		}
		for _, id := range m.TypeIDs {
			there := uint32(x.Below(maxDisplay/DisplayStride, "a type"))
			for int64(there) >= int64(len(x.ids)) {
				x.ids = append(x.ids, noType)
			}
			known := x.ids[there] != noType
			if back, ok := of[id]; ok != known || known && (x.ids[there] != id || back != there) {
				x.Failf("type %d of the file is two types, or two are one", there)
				return
			}
			x.ids[there], of[id] = id, there
			x.same = x.same && there == uint32(id)
		}
	}
	if sum, want := layoutsDigest(mods), x.Blob(); x.ok() && string(sum[:]) != string(want) {
		x.Failf("objects lie differently in this version of the engine")
	}
}

// heapState reads what snapshotWriter.heapState wrote. Places of objects go to x.place, as roots.
func (x *snapshotReader) heapState() (s gc.State) {
	s.Plan = x.String()
	size := func() int64 { return int64(x.Below(math.MaxUint32+2, "a heap's size")) }
	s.MaxBytes, s.MinBytes, s.NurseryBytes = size(), size(), size()
	if s.Balance = math.Float64frombits(x.Word()); !(s.Balance >= 0 && s.Balance <= math.MaxFloat64) {
		x.Failf("a heap that is balanced by %g", s.Balance)
	}
	s.Memory.Blocks, s.Memory.Limit = x.Uint32(), size()
	s.Memory.Taken, s.Memory.Dirty = x.Words(), x.Words()
	s.Collections = x.Uint()
	for range x.Len(2) {
		f := image.Foreign{Class: uint8(x.Below(2, "a class of words")), Word: x.Uint32()}
		s.Foreign = append(s.Foreign, f)
		if x.ok() && f.Class == foreignExn && f.Word != 0 && int(f.Word) >= len(x.refTables.exns.recs) {
			x.Failf("no exception %d", f.Word)
		}
	}
	s.Written = x.objects()
	s.Remembered.Objects = x.objects()
	for range x.Len(3) {
		l := barrier.Slice{Array: x.object(), First: x.Uint32(), N: x.Uint32()}
		s.Remembered.Slices = append(s.Remembered.Slices, l)
	}
	pinned := x.objects()
	for _, r := range pinned {
		if s.Pins == nil {
			s.Pins = map[gc.Ref]int{}
		}
		if n := int(x.Below(1<<31, "pins")); x.ok() && n > 0 && s.Pins[r] == 0 {
			s.Pins[r] = n
		} else {
			x.Failf("an object that is pinned %d times", n)
		}
	}
	for _, l := range []*[]weak.Candidate{&s.Waiting, &s.Ready} {
		for range x.Len(9) {
			*l = append(*l, weak.Candidate{Ref: x.object(), Tag: x.Word()})
		}
	}
	return s
}

func (x *snapshotReader) objects() (refs []gc.Ref) {
	for range x.Len(1) {
		refs = append(refs, x.object())
	}
	return refs
}

// object reads the place of an object, which is one of the roots.
func (x *snapshotReader) object() gc.Ref {
	r := x.Uint32()
	x.roots = append(x.roots, heapRoot{ref: r, at: x.Pos()})
	return r
}

// checkHeap looks at what the roots refer to; and at all that is reachable, if that is wanted or headers are to be changed.
func (x *snapshotReader) checkHeap() {
	err := x.heap.ticket.Edit(func(m *heap.Memory) (changed bool, err error) {
		return (&heapCheck{x: x, m: m, top: uint64(m.Top()) << heap.LogBlock}).run()
	})
	if err != nil {
		x.Failf("the heap: %w", err)
	}
}

// heapCheck goes through the objects of a heap out of a file. Types in headers are the file's until the end.
type heapCheck struct {
	x   *snapshotReader
	m   *heap.Memory
	top uint64 // beyond all blocks that were ever used

	covered, starts []*blockBits // by block: which 8 bytes belong to an object; at which one begins
	remembered      map[gc.Ref]bool
	foreign         map[image.Foreign]bool
	work            []gc.Ref
}

// blockBits has a bit for each 8 bytes of a block.
type blockBits [heap.BlockSize / 512]uint64

func (c *heapCheck) run() (changed bool, err error) {
	x := c.x
	for _, r := range x.roots {
		if msg := c.object(r.ref, r.typ); msg != "" {
			x.FailAt(r.at, "the heap: %s", msg)
			return false, nil
		}
	}
	for _, l := range x.state.Remembered.Slices {
		if layout, n := c.layout(l.Array); layout.Elem.Kind != StoreRef || layout.Kind != wasm.CompArray || uint64(l.First)+uint64(l.N) > uint64(n) {
			return false, fmt.Errorf("elements %d and %d more of object %#x", l.First, l.N, l.Array)
		}
	}
	if x.same && !x.Check {
		return false, nil
	}
	if x.Check {
		if err := x.heap.ticket.CheckBlocks(c.m); err != nil {
			return false, err
		}
	}
	c.covered, c.starts = make([]*blockBits, c.top>>heap.LogBlock), make([]*blockBits, c.top>>heap.LogBlock)
	c.remembered, c.foreign = map[gc.Ref]bool{}, map[image.Foreign]bool{}
	for _, r := range append(x.state.Written, x.state.Remembered.Objects...) {
		c.remembered[r] = true
	}
	for _, f := range x.state.Foreign {
		c.foreign[f] = true
	}
	for _, r := range x.roots {
		if err := c.reach(r.ref); err != nil {
			return false, err
		}
	}
	for len(c.work) > 0 {
		r := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		if err := c.fields(r); err != nil {
			return false, err
		}
	}
	if x.same {
		return false, nil
	}
	for b, starts := range c.starts {
		if starts == nil {
			continue
		}
		for i, w := range starts {
			for ; w != 0; w &= w - 1 {
				h := c.m.Slot(uint32(b)<<heap.LogBlock + uint32(i*64+bits.TrailingZeros64(w))*8)
				*h = uint32(x.ids[*h])
			}
		}
	}
	return true, nil
}

// object says why a word of a type, 0 for any, refers to no object; "" if it does.
func (c *heapCheck) object(r gc.Ref, typ wasm.ValType) string {
	if r%8 != 0 || r < heap.BlockSize || uint64(r)+heap.HeaderSize > c.top || c.m.SpaceOf(r) == 0 {
		return fmt.Sprintf("%#x is no place of an object", r)
	}
	id := c.x.typeOf(*c.m.Slot(r))
	switch {
	case id == noType || c.x.Types.Def(id).Kind == wasm.CompFunc:
		return fmt.Sprintf("the header of the object at %#x has type %#x, which the modules do not have", r, *c.m.Slot(r))
	case typ != 0 && typ.Heap() != wasm.HeapExtern && !c.x.Types.Matches(wasm.RefTo(wasm.HeapType(id), false), typ):
		return fmt.Sprintf("the object at %#x is of type %d, not %v", r, id, typ)
	}
	return ""
}

func (c *heapCheck) layout(r gc.Ref) (l *Layout, n uint32) {
	return LayoutOf(c.x.Types, c.x.typeOf(*c.m.Slot(r))), c.m.Length(r)
}

// reach is met with each reference to an object; see object. The first one notes the object's extent.
func (c *heapCheck) reach(r gc.Ref) error {
	b, w, mask := r>>heap.LogBlock, r%heap.BlockSize/512, uint64(1)<<(r/8%64)
	if c.starts[b] == nil {
		c.starts[b] = new(blockBits)
	}
	if c.starts[b][w]&mask != 0 {
		return nil
	}
	c.starts[b][w] |= mask
	l, n := c.layout(r)
	size := uint64(l.Size)
	if l.Kind == wasm.CompArray {
		size = (heap.HeaderSize + uint64(n)<<l.ElemShift + 7) &^ 7
	}
	if size > heap.MaxSize || uint64(r)+size > c.top {
		return fmt.Errorf("the object at %#x has %d bytes, which are not there", r, size)
	}
	if err := c.cover(r, size); err != nil {
		return err
	}
	if !c.m.Mark.Test(r) {
		return fmt.Errorf("the object at %#x is not marked", r)
	}
	if !c.m.Log.Test(r) && !c.remembered[r] {
		return fmt.Errorf("a write to the object at %#x has not been remembered", r)
	}
	c.work = append(c.work, r)
	return nil
}

// cover notes that the bytes are an object's, which no other one may have.
func (c *heapCheck) cover(r gc.Ref, size uint64) error {
	for at, end := uint64(r), uint64(r)+size; at < end; {
		b := uint32(at >> heap.LogBlock)
		covered := c.covered[b]
		if covered == nil {
			if *c.m.Spaces.At(b) == 0 {
				return fmt.Errorf("the object at %#x reaches into a free block", r)
			}
			covered = new(blockBits)
			c.covered[b] = covered
		}
		// The bits of one word at a time: 512 bytes.
		n := min(end, (at+512)&^511) - at
		mask := ^uint64(0) >> (64 - n/8) << (at / 8 % 64)
		w := &covered[at%heap.BlockSize/512]
		if *w&mask != 0 {
			return fmt.Errorf("two objects lie at %#x", at)
		}
		*w |= mask
		at += n
	}
	return nil
}

// fields looks at what an object refers to.
func (c *heapCheck) fields(r gc.Ref) error {
	l, n := c.layout(r)
	if l.Kind == wasm.CompArray {
		if l.Elem.Kind < StoreRef {
			return nil
		}
		for i := range n {
			if err := c.field(r, r+heap.HeaderSize+4*i, &l.Elem); err != nil {
				return err
			}
		}
		return nil
	}
	for k := range l.Fields {
		if f := &l.Fields[k]; f.Kind >= StoreRef {
			if err := c.field(r, r+f.Off, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *heapCheck) field(of gc.Ref, at uint32, f *FieldLayout) error {
	w := *c.m.Slot(at)
	x := c.x
	switch {
	case w == NullRef:
		return nil
	case f.Kind != StoreRef:
		for _, t := range x.threads {
			if !x.knows(t.Store, w, f.Type) {
				return fmt.Errorf("the object at %#x has reference %#x of type %v at %#x, which refers to nothing", of, w, f.Type, at)
			}
		}
	case IsI31(w):
		if f.Type.Heap() != wasm.HeapExtern && !x.Types.Matches(wasm.RefTo(wasm.HeapI31, false), f.Type) {
			return fmt.Errorf("the object at %#x has an i31 at %#x", of, at)
		}
	case IsHost(w):
		return fmt.Errorf("the object at %#x has a value of the host at %#x", of, at)
	default:
		if msg := c.object(w, f.Type); msg != "" {
			return fmt.Errorf("the object at %#x at %#x: %s", of, at, msg)
		}
		return c.reach(w)
	}
	if class, ok := f.foreign(); ok && f.Kind == StoreExn && x.heap.ticket.Constraints().Collects && !c.foreign[image.Foreign{Class: class, Word: w}] && !c.remembered[of] {
		return fmt.Errorf("the object at %#x has exception %d, which the heap does not know", of, w)
	}
	return nil
}
