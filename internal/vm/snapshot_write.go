package vm

import (
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Writing an Image to a file: what the cloner copies, with every address told as where it lies in the thread's blocks, every code address as the
// instruction, types and function identities as the modules have them, host functions as the imports that they are bound to. docs/snapshot.md has the order of
// what is written; the functions here and in snapshot_read.go go together.

// SnapshotError says why an Image cannot be written to a file.
type SnapshotError struct {
	Reason string
	Cause  error
}

func (e *SnapshotError) Error() string {
	s := "snapshot: " + e.Reason
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *SnapshotError) Unwrap() error { return e.Cause }

// snapshotWriter writes an Image. It panics with a *SnapshotError, which Write returns.
type snapshotWriter struct {
	*image.Writer
	engine  Snapshotter
	module  func(*wasm.Module) int // its number in the file
	threads []*Thread

	hosts    map[*HostFunc]int
	hostAt   []hostImport
	tags     map[*Tag]int
	tagList  []*Tag
	memories map[*Memory]int
	memList  []*Memory
	code     map[codeOfFunc]bool // functions on stacks
	codeList []codeOfFunc
}

type hostImport struct {
	fn        *HostFunc
	inst, imp uint32
}

type codeOfFunc struct{ inst, fn uint32 }

func refuse(format string, args ...any) { panic(&SnapshotError{Reason: fmt.Sprintf(format, args...)}) }

// Write writes an image. module tells a module's number.
func (img *Image) Write(w *image.Writer, module func(*wasm.Module) int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(*SnapshotError)
			if !ok {
				panic(v)
			}
			err = e
		}
	}()
	s, ok := img.threads[0].Engine.(Snapshotter)
	if !ok {
		refuse("the engine cannot tell what is on its stacks")
	}
	if img.heap != nil {
		if img, err = img.warmed(); err != nil {
			return &SnapshotError{"the garbage-collected heap", err}
		}
	}
	x := &snapshotWriter{
		Writer: w, engine: s, module: module, threads: img.threads,
		hosts: map[*HostFunc]int{}, tags: map[*Tag]int{}, memories: map[*Memory]int{}, code: map[codeOfFunc]bool{},
	}
	x.image(img)
	return nil
}

func (x *snapshotWriter) image(img *Image) {
	main := x.threads[0].Store
	for _, inst := range main.Instances {
		for k := range inst.Imports {
			h := inst.Imports[k].Host
			if h == nil {
				continue
			}
			if _, ok := x.hosts[h]; ok {
				continue
			}
			if m := inst.Module; inst.Imports[k].Type != m.TypeIDs[m.Funcs[k]] {
				refuse("host function %s has another type than the import that it is bound to", h.Name)
			}
			x.hosts[h] = len(x.hostAt)
			x.hostAt = append(x.hostAt, hostImport{h, inst.Index, uint32(k)})
		}
	}
	for _, t := range x.threads {
		for _, inst := range t.Store.Instances {
			for k, tag := range inst.Tags {
				if _, ok := x.tags[tag]; ok {
					continue
				}
				if tag.module == nil {
					refuse("exception tag %d of module %q is the host's", k, inst.Module.Names().Module)
				}
				x.tags[tag] = len(x.tagList)
				x.tagList = append(x.tagList, tag)
			}
		}
		for _, m := range t.Store.memories {
			if _, ok := x.memories[m]; !ok {
				x.memories[m] = len(x.memList)
				x.memList = append(x.memList, m)
			}
		}
	}

	x.Uint(uint64(len(main.Instances)))
	for _, inst := range main.Instances {
		x.Uint(uint64(x.module(inst.Module)))
	}
	x.Uint(uint64(len(x.hostAt)))
	for _, h := range x.hostAt {
		x.String(h.fn.Name)
		x.Uint(uint64(h.inst))
		x.Uint(uint64(h.imp))
	}
	x.Uint(uint64(len(x.tagList)))
	for _, t := range x.tagList {
		x.Uint(uint64(x.module(t.module)))
		x.Uint(uint64(t.index))
	}
	x.Uint(uint64(len(x.memList)))
	for _, m := range x.memList {
		x.memory(m)
	}
	x.heap(img)
	x.Uint(uint64(len(x.threads)))
	for _, t := range x.threads {
		x.thread(t)
	}
	x.queues()
	x.Uint(uint64(len(x.codeList)))
	for _, c := range x.codeList {
		sum, err := x.engine.Digest(main.Instances[c.inst].Code, c.fn)
		if err != nil {
			panic(&SnapshotError{"a function cannot be described", err})
		}
		x.Uint(uint64(c.inst))
		x.Uint(uint64(c.fn))
		x.Blob(sum[:])
	}
}

func (x *snapshotWriter) memory(m *Memory) {
	t := m.Type
	x.Uint(t.Min)
	x.Uint(t.Max)
	x.Bool(t.HasMax)
	x.Bool(t.Is64)
	x.Bool(t.Shared)
	x.Uint(m.Len())
	x.Uint(m.maxPages)
	x.Uint(x.AddPages(m.image))
}

// queues writes who waits where, queue by queue.
func (x *snapshotWriter) queues() {
	of := map[*waiter]int{}
	for k, t := range x.threads {
		of[&t.waiter] = k
	}
	for _, m := range x.memList {
		type place struct {
			addr   uint64
			thread int
		}
		var all []place
		for i := range m.waits.shards {
			s := &m.waits.shards[i]
			for addr, q := range s.queues {
				for w := q.head; w != nil; w = w.next {
					all = append(all, place{addr, of[w]})
				}
			}
		}
		slices.SortStableFunc(all, func(a, b place) int {
			switch {
			case a.addr < b.addr:
				return -1
			case a.addr > b.addr:
				return 1
			}
			return 0
		})
		x.Uint(uint64(len(all)))
		for _, p := range all {
			x.Uint(p.addr)
			x.Uint(uint64(p.thread))
		}
	}
}

// blockMap tells addresses of a thread's blocks as places that mean the same elsewhere: 0 is none.
type blockMap [3]struct{ from, size uintptr } // below the stack, the arena, the fields of exceptions

func (p *blockMap) place(a uintptr) uint64 {
	for i := range p {
		if off := a - p[i].from; off < p[i].size {
			return uint64(off)<<2 | uint64(i+1)
		}
	}
	return 0
}

func (x *snapshotWriter) thread(t *Thread) {
	top, err := t.Engine.Extent(t)
	if err != nil {
		panic(&SnapshotError{"a guest stack", err})
	}
	block, used := t.Ctx.StackBase-t.stack.Base(), top-t.Ctx.StackBase
	at := blockMap{{t.stack.Base(), block}, x.blocks(&t.Store.blocks), x.blocks(&t.Store.refs.mem)}
	ctx := addrOfVar(t.Ctx)
	x.Uint(uint64(t.ID))
	x.Bool(t.NoStackCheck)
	x.Uint(uint64(t.stack.Size()))
	x.Uint(at.place(ctx))
	x.blob(t.stack.Base(), block, ctx)
	x.arena(&t.Store.blocks, ctx)
	x.freeBlocks(&t.Store.blocks, &at)
	if !t.Store.refs.shared {
		x.refs(t.Store.refs)
	}

	stack := slices.Clone(bytesAt(t.Ctx.StackBase, int(used)))
	var refs []CodeRef
	if err := x.engine.CodeRefs(t, func(r CodeRef) { refs = append(refs, r) }); err != nil {
		panic(&SnapshotError{"a guest stack", err})
	}
	for _, r := range refs {
		if r.At != AtPC {
			clear(stack[r.At:][:8])
		}
	}
	x.Blob(stack)
	x.Bool(t.deep())
	x.Uint(uint64(min(t.Top, top) - t.Ctx.StackBase)) // one that waits in the middle of an instruction may have an older, higher one; it is set anew before it is used
	x.Uint(uint64(len(t.Activations)))
	if len(t.Activations) > 0 {
		a := t.Activations[0]
		if a.PC != 0 {
			panic(&SnapshotError{"a guest stack", ErrNested})
		}
		x.Uint(uint64(a.Top - t.Ctx.StackBase))
		x.Uint(uint64(a.Instance))
		x.Uint(uint64(t.Ctx.Instance))
		x.Uint(uint64(t.Ctx.FP - t.Ctx.StackBase))
	}
	x.Uint(uint64(len(refs)))
	for _, r := range refs {
		x.Uint(r.At + 1) // 0 is AtPC
		x.Uint(uint64(r.Kind))
		if r.Kind > RefAfter {
			continue
		}
		x.Uint(uint64(r.Instance))
		x.Uint(uint64(r.Func))
		x.Uint(uint64(r.Index))
		if c := (codeOfFunc{r.Instance, r.Func}); !x.code[c] {
			x.code[c] = true
			x.codeList = append(x.codeList, c)
		}
	}
	x.Bool(t.waiter.again)
	x.Int(t.waiter.left)
	x.Bool(t.again != nil)
	if t.again != nil {
		x.Int(int64(t.again.elapsed))
		x.answer(t.again.answer)
	}
	x.store(t.Store, &at)
	var kept localSet
	if t.keeps {
		kept.clone(&t.locals)
	}
	x.Uint(uint64(len(kept.refs)))
	for _, r := range kept.refs {
		x.Uint(uint64(r))
	}
	x.Uint(uint64(len(kept.exns)))
	for _, r := range kept.exns {
		x.Uint(uint64(r))
	}
}

func (x *snapshotWriter) blocks(b *blocks) (r struct{ from, size uintptr }) {
	if b.arena != nil {
		r.from, r.size = b.arena.Base(), b.used()
	}
	return r
}

// blob writes bytes of memory, without those of a thread's context.
func (x *snapshotWriter) blob(from, n, ctx uintptr) {
	b := slices.Clone(bytesAt(from, int(n)))
	if off := ctx - from; off < n {
		clear(b[off:min(off+contextSize, n)])
	}
	x.Blob(b)
}

func (x *snapshotWriter) arena(b *blocks, ctx uintptr) {
	x.Bool(b.arena != nil)
	if b.arena != nil {
		x.Uint(uint64(b.arena.Size()))
		x.blob(b.arena.Base(), b.used(), ctx)
	}
}

func (x *snapshotWriter) freeBlocks(b *blocks, at *blockMap) {
	var sizes []int
	for n, l := range b.free {
		if len(l) > 0 {
			sizes = append(sizes, n)
		}
	}
	slices.Sort(sizes)
	x.Uint(uint64(len(sizes)))
	for _, n := range sizes {
		x.Uint(uint64(n))
		x.Uint(uint64(len(b.free[n])))
		for _, a := range b.free[n] {
			x.Uint(at.place(a))
		}
	}
}
