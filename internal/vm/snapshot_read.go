package vm

import (
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// SnapshotModule is a module of a file, compiled in this process.
type SnapshotModule struct {
	Module *wasm.Module
	Code   Code
}

// SnapshotConfig is what an Image gets that is not in its file.
type SnapshotConfig struct {
	Engine  Snapshotter
	Pools   *Pools
	Types   *wasm.TypeSpace
	Modules []SnapshotModule
	// GC has what is not in the file of a GC heap: workers, tools for debugging. Of what sizes the heap MaxBytes replaces the file's if it is not 0, and Plan may say what the
	// file says.
	GC HeapConfig
	// Check goes through all objects of a GC heap, so that whatever the file's pages hold is refused or harmless.
	Check bool
}

// maxStack bounds what a file may ask for.
const maxStack = min(1<<34, maxAddressable/4)

// snapshotReader reads what a snapshotWriter wrote. What it makes is checked: whatever the bytes are, the guest cannot reach what is not its own by them, as far as
// types tell what a word is. The first error is the Decoder's.
type snapshotReader struct {
	*image.Decoder
	SnapshotConfig
	file *image.File

	hosts    []*HostFunc
	hostType []wasm.TypeID
	tags     []*Tag
	memories []*Memory
	threads  []*Thread
	globals  map[uintptr]wasm.GlobalType // of the thread that is read

	heapReader
}

// ReadImage reads an image. Its host functions are only names, each of which is an import of one of its instances: a Fork must replace all of them.
func ReadImage(d *image.Decoder, f *image.File, cfg SnapshotConfig) (img *Image, err error) {
	x := &snapshotReader{Decoder: d, SnapshotConfig: cfg, file: f}
	x.image()
	if err := d.Err(); err != nil {
		for _, t := range x.threads {
			t.Close()
		}
		for _, m := range x.memories {
			m.unused()
		}
		if x.heap != nil {
			x.heap.close()
		}
		return nil, err
	}
	img = &Image{pools: cfg.Pools, threads: x.threads, heap: x.heap}
	img.refs.Store(1)
	return img, nil
}

// index reads an index below n.
func (x *snapshotReader) index(n int, what string) int { return int(x.Below(uint64(n), what)) }

func (x *snapshotReader) ok() bool { return x.Err() == nil }

func (x *snapshotReader) image() {
	var mods []*wasm.Module // of the main thread's instances
	for range x.Len(1) {
		if k := x.index(len(x.Modules), "a module"); x.ok() {
			mods = append(mods, x.Modules[k].Module)
		}
	}
	for range x.Len(3) {
		x.host(mods)
	}
	for range x.Len(2) {
		k, n := x.index(len(x.Modules), "a module"), x.Uint()
		if !x.ok() {
			return
		}
		m := x.Modules[k].Module
		if n < uint64(m.NumImportedTags) || n >= uint64(len(m.Tags)) {
			x.Failf("module %d defines no tag %d", k, n)
			return
		}
		id := m.TypeIDs[m.Tags[n].Type]
		tag := NewTag(id, x.Types.Def(id).Func)
		tag.module, tag.index = m, uint32(n)
		x.tags = append(x.tags, tag)
	}
	for range x.Len(8) {
		x.memory()
	}
	if x.Bool() {
		x.readHeap()
	}
	n := x.Len(16)
	if x.ok() && n == 0 {
		x.Failf("no threads")
	}
	for range n {
		if !x.ok() {
			return
		}
		x.thread()
	}
	for _, m := range x.memories {
		for range x.Len(2) {
			addr, k := x.Uint(), x.index(len(x.threads), "a thread")
			if !x.ok() {
				return
			}
			t := x.threads[k]
			if !m.Type.Shared || !t.waiter.again || t.waiter.queued.Load() || !slices.Contains(t.Store.memories, m) {
				x.Failf("thread %d does not wait", k)
				return
			}
			m.waits.shard(addr).add(addr, &t.waiter)
		}
	}
	for k, m := range x.memories {
		if m.refs == 0 {
			x.Failf("memory %d is nobody's", k)
			return
		}
	}
	x.checkCode()
	if x.heap != nil && x.ok() {
		x.checkHeap()
	}
}

// checkCode compares the code that the stacks stand in.
func (x *snapshotReader) checkCode() {
	for range x.Len(34) {
		inst, fn, want := x.Uint32(), x.Uint32(), x.Blob()
		if !x.ok() {
			return
		}
		main := x.threads[0].Store
		if int(inst) >= len(main.Instances) {
			x.Failf("no instance %d", inst)
			return
		}
		i := main.Instances[inst]
		if sum, err := x.Engine.Digest(i.Code, fn); err != nil {
			x.Failf("function %d of instance %d: %v", fn, inst, err)
		} else if string(sum[:]) != string(want) {
			x.Failf("the guest stands in function %s, whose code is not what it was: another engine made the file", i.Module.FuncName(fn))
		}
	}
}

func (x *snapshotReader) host(mods []*wasm.Module) {
	name := x.String()
	inst, imp := x.index(len(mods), "an instance"), x.Uint()
	if !x.ok() {
		return
	}
	m := mods[inst]
	if imp >= uint64(m.NumImportedFuncs) {
		x.Failf("instance %d imports no function %d", inst, imp)
		return
	}
	id := m.TypeIDs[m.Funcs[imp]]
	ft := &x.Types.Def(id).Func
	f := &HostFunc{Name: name, Params: countSlots(ft.Params), Results: countSlots(ft.Results)}
	f.Fn = func(*Thread, []uint64) error { return fmt.Errorf("host function %s was not supplied", name) }
	x.hosts, x.hostType = append(x.hosts, f), append(x.hostType, id)
}

func (x *snapshotReader) memory() {
	var t wasm.MemoryType
	t.Min, t.Max, t.HasMax, t.Is64, t.Shared = x.Uint(), x.Uint(), x.Bool(), x.Bool(), x.Bool()
	n, maxPages, pages := x.Uint(), x.Uint(), x.Below(x.file.Sections(), "pages")
	if !x.ok() {
		return
	}
	l := x.file.Layout(pages)
	switch limit := uint64(maxAddressable / wasm.PageSize); {
	case n%wasm.PageSize != 0 || n > uint64(l.Committed) || n/wasm.PageSize > maxPages || maxPages > limit || !t.Is64 && maxPages > 1<<16 || t.Min > n/wasm.PageSize:
		x.Failf("a memory of %d bytes, %d pages at most, in %d", n, maxPages, l.Committed)
		return
	case t.Shared && uint64(l.Size)/wasm.PageSize < maxPages:
		x.Failf("a shared memory of at most %d pages in %d bytes", maxPages, l.Size)
		return
	}
	img, err := x.file.Pages(pages)
	if err != nil {
		x.Failf("pages %d: %w", pages, err)
		return
	}
	x.memories = append(x.memories, &Memory{Type: t, Desc: &MemDesc{Len: n}, pools: x.Pools, maxPages: maxPages, image: img})
}

// refs reads tables of host values and exceptions.
func (x *snapshotReader) refs(r *refTables) {
	at := &readBlocks{}
	at[2].from, at[2].size = x.arena(&r.mem)
	x.freeBlocks(&r.mem, at)
	n := x.Below(1<<28, "host values")
	if n > 0 {
		r.externs.vals = make([]any, min(n, 1<<16))
		for k := range r.externs.vals {
			r.externs.free = append(r.externs.free, uint32(k))
		}
	}
	count := x.Len(1)
	for k := range count {
		id := x.Below(uint64(len(x.tags))+1, "a tag")
		if id == 0 {
			r.exns.recs = append(r.exns.recs, exnRecord{})
			continue
		}
		if !x.ok() || k == 0 {
			x.Failf("exception %d", k)
			return
		}
		tag := x.tags[id-1]
		rec := exnRecord{tag: tag}
		if tag.slots > 0 {
			rec.addr = x.addr(at, tag.slots)
		} else {
			x.Uint()
		}
		rec.escaped = x.Bool()
		r.exns.recs = append(r.exns.recs, rec)
	}
	for range x.Len(1) {
		f := x.index(len(r.exns.recs), "a free exception")
		if x.ok() && (f == 0 || r.exns.recs[f].tag != nil || slices.Contains(r.exns.free, Ref(f))) {
			x.Failf("exception %d is not free", f)
		}
		r.exns.free = append(r.exns.free, Ref(f))
	}
}
