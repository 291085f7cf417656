package vm

import (
	"slices"
	"time"

	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

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
	t := &Thread{core: newCore(x.Pools, stack), Engine: x.Engine, ID: id, Store: s, NoStackCheck: noCheck, Ctx: contextAt(addrOf(spare))}
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
