package vm

import (
	"fmt"
	"slices"
	"time"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/mem"
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

// readBlocks finds the places that a blockMap tells. No word has two uses: one could forge references by the other.
type readBlocks [3]struct {
	from, size uintptr
	used       []uint64 // a bit for each word
}

// claim takes slots of 8 bytes at a place, and returns their address; ok is false if they are not there, or in use.
func (at *readBlocks) claim(p uint64, slots uint64) (addr uintptr, ok bool) {
	k, off := int(p&3)-1, p>>2
	if k < 0 || off%8 != 0 || off > uint64(at[k].size) || (uint64(at[k].size)-off)/8 < slots {
		return 0, false
	}
	b := &at[k]
	if b.used == nil {
		b.used = make([]uint64, b.size/512+1)
	}
	for i := off / 8; i < off/8+slots; i++ {
		if b.used[i/64]&(1<<(i%64)) != 0 {
			return 0, false
		}
		b.used[i/64] |= 1 << (i % 64)
	}
	return b.from + uintptr(off), true
}

// addr reads the place of slots of 8 bytes.
func (x *snapshotReader) addr(at *readBlocks, slots int) uintptr {
	p := x.Uint()
	if !x.ok() {
		return 0
	}
	addr, ok := at.claim(p, uint64(slots))
	if !ok {
		x.Failf("no %d words at place %#x, or they are something else", slots, p)
	}
	return addr
}

func (x *snapshotReader) thread() {
	id, noCheck, size := x.Uint32(), x.Bool(), x.Below(maxStack, "a stack's size")
	if x.ok() && (size < 4*stackReserve || size%uint64(mem.PageSize()) != 0) {
		x.Failf("a stack of %d bytes", size)
	}
	if !x.ok() {
		return
	}
	if slices.ContainsFunc(x.threads, func(t *Thread) bool { return t.ID == id }) {
		x.Failf("a thread with identifier %d", id)
		return
	}
	stack, err := x.Pools.getStack(int(size))
	if err != nil {
		x.Failf("a stack of %d bytes: %v", size, err)
		return
	}
	refs := x.refTables
	if refs == nil {
		refs = newRefTables(x.Pools)
	}
	s := &Store{refs: refs, types: x.Types, blocks: blocks{pools: x.Pools}}
	// From here on t.Close gives everything back.
	spare := make([]uint64, contextSize/8) // the context's place until its own is known
	t := &Thread{Engine: x.Engine, ID: id, stack: stack, pools: x.Pools, Store: s, NoStackCheck: noCheck, Ctx: contextAt(addrOf(spare)), waiter: waiter{wake: make(chan struct{}, 1)}}
	t.resumed.L, t.settled.L = &t.mu, &t.mu
	s.thread = t
	x.threads = append(x.threads, t)

	ctxPlace := x.Uint()
	block := x.Blob()
	if uint64(len(block))%64 != 0 || uint64(len(block)) > size-4*stackReserve {
		x.Failf("%d bytes below a stack", len(block))
	}
	if !x.ok() {
		return
	}
	copy(stack.Bytes(len(block)), block)
	var at readBlocks
	at[0].from, at[0].size = stack.Base(), uintptr(len(block))
	at[1].from, at[1].size = x.arena(&s.blocks)
	ctx, found := at.claim(ctxPlace, contextSize/8)
	if x.ok() && (!found || ctxPlace>>2%64 != 0) {
		x.Failf("no context at place %#x", ctxPlace)
	}
	x.freeBlocks(&s.blocks, &at)
	if x.refTables == nil {
		x.refs(refs)
	}
	if !x.ok() {
		return
	}
	base := stack.Base() + uintptr(len(block))
	t.Ctx = contextAt(ctx)
	*t.Ctx = Context{StackBase: base, stackTop: stack.Base() + uintptr(size) - stackReserve}
	t.Ctx.stackNear = min(t.Ctx.stackTop, stack.Base()+nearStack)
	frames := x.Blob()
	if deep := x.Bool(); deep || base+uintptr(len(frames)) > t.Ctx.stackNear {
		t.Ctx.stackNear = t.Ctx.stackTop
	}
	t.Ctx.stackLimit = t.Ctx.stackNear
	n := uint64(len(frames))
	if x.ok() && (n%8 != 0 || base+uintptr(n) > t.Ctx.stackTop) {
		x.Failf("%d bytes of frames", n)
	}
	if !x.ok() {
		return
	}
	copy(bytesAt(base, len(frames)), frames)
	t.Top = base + uintptr(x.Below(n+1, "the stack's top"))
	active := x.Below(2, "activations") == 1
	var inst uint64
	if active {
		a := Activation{FP: 0, Top: base + uintptr(x.Below(n+1, "an activation's top")), Instance: x.Uint32()}
		inst = x.Uint()
		t.Ctx.FP = base + uintptr(x.Below(n+1, "a frame's place"))
		t.Activations = []Activation{a}
	}
	var code []CodeRef
	for range x.Len(2) {
		r := CodeRef{At: x.Uint() - 1, Kind: CodeRefKind(x.Below(uint64(numRefKinds), "a kind of address"))}
		if r.Kind <= RefAfter {
			r.Instance, r.Func, r.Index = x.Uint32(), x.Uint32(), x.Uint32()
		}
		code = append(code, r)
	}
	t.waiter.again, t.waiter.left = x.Bool(), x.Int()
	if x.Bool() {
		t.again = &callAgain{elapsed: max(0, time.Duration(x.Int()))}
		if x.Bool() {
			t.again.answer = x.answer()
		}
	}
	x.store(s, &at)
	x.kept(t)
	if !x.ok() {
		return
	}
	if active {
		if inst >= uint64(len(s.Instances)) {
			x.Failf("the thread runs in instance %d of %d", inst, len(s.Instances))
			return
		}
		t.Ctx.Instance = uint32(inst)
	} else if len(code) > 0 {
		x.Failf("code addresses of a thread that does not run")
		return
	}
	for _, r := range code {
		if err := x.Engine.SetCodeRef(t, r, n); err != nil {
			x.Failf("the guest stack: %v", err)
			return
		}
	}
	if err := x.Engine.CheckFrames(t, n); err != nil {
		x.Failf("the guest stack: %v", err)
		return
	}
	if active {
		x.checkStack(t, base, n)
	}
	x.checkStore(s)
}

// kept reads the references that a thread keeps for who asks for its call's results.
func (x *snapshotReader) kept(t *Thread) {
	for range x.Len(1) {
		r := x.object()
		if x.ok() && x.heap == nil {
			x.Failf("an object without a heap")
		}
		t.locals.add(r)
		t.keeps = true
	}
	for range x.Len(1) {
		r := x.Uint32()
		if x.ok() && (x.heap == nil || !x.knows(t.Store, r, wasm.RefTo(wasm.HeapExn, false))) {
			x.Failf("no exception %d", r)
		}
		t.locals.addExn(r)
		t.keeps = true
	}
}

// answer reads what a call gives. Whether it fits is seen when it is made.
func (x *snapshotReader) answer() *Answer {
	a := &Answer{Results: x.Words()}
	for range x.Len(2) {
		a.Writes = append(a.Writes, AnswerWrite{Addr: x.Uint(), Bytes: slices.Clone(x.Blob())})
	}
	return a
}

func (x *snapshotReader) arena(b *blocks) (from, size uintptr) {
	if !x.Bool() {
		return 0, 0
	}
	n, content := x.Below(maxStack, "a region's size"), x.Blob()
	if x.ok() && (uint64(len(content)) > n || n != uint64(up(regionSize, mem.PageSize())) || len(content)%8 != 0) {
		x.Failf("%d bytes in a region of %d", len(content), n)
	}
	if !x.ok() {
		return 0, 0
	}
	r, err := x.Pools.getArena(up(max(len(content), commitStep), commitStep))
	if err != nil {
		x.Failf("a region of %d bytes: %v", n, err)
		return 0, 0
	}
	b.arena, b.next = r, r.Base()+uintptr(len(content))
	copy(r.Bytes(len(content)), content)
	return r.Base(), uintptr(len(content))
}

func up(n, to int) int { return (n + to - 1) / to * to }

func (x *snapshotReader) freeBlocks(b *blocks, at *readBlocks) {
	for range x.Len(2) {
		class := x.Size()
		if x.ok() && (class <= 0 || class > regionSize || sizeClass(class) != class) {
			x.Failf("free blocks of %d words", class)
		}
		for range x.Len(1) {
			a := x.addr(at, class)
			if !x.ok() {
				return
			}
			if b.free == nil {
				b.free = map[int][]uintptr{}
			}
			b.free[class] = append(b.free[class], a)
		}
	}
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
