package vm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// cloner copies threads that stand: their stores, their guest stacks, and the wait queues that they are in. A freeze copies running threads into the
// threads of an Image, which never run; a fork copies those. Nothing that a clone holds refers to the original but what is never changed: code, types,
// identities of functions, and of an image's threads the large tables and evaluated segments, until their first change.
//
// What is absolute in a thread: the fields of its Context, addresses of its blocks in Go objects (globals, tables, segments, exceptions), and code addresses
// on its stack, which stay right. All else is an index or a distance.
type cloner struct {
	pools  *Pools
	budget *Budget
	// memory makes the clone's memory for an original one, the first time that one is met.
	memory func(*Memory) (*Memory, error)
	// host replaces host functions by those of the clone's Process.
	host func(*HostFunc) *HostFunc
	// refs are the clones' tables of host values and exceptions, of a Process with a GC heap; otherwise each has its own.
	refs *refTables
	// main is the store of the Process's main thread, whose instances tell what imports are bound to.
	main *Store
	// share tells that the original never changes, so that large tables and segments may stay its own.
	share bool

	memories map[*Memory]*Memory
	threads  map[*waiter]*Thread // clones by the original's waiter
}

// ErrNested is a thread's part of a CloneError: a host function that has called back into the guest has frames below it that only its Go code can return to.
var ErrNested = errors.New("the guest was called back by a host function")

// CloneError says why a thread cannot be cloned where it stands.
type CloneError struct {
	Thread uint32
	Host   string // the host function in flight, if that is why
	Cause  error
}

func (e *CloneError) Error() string {
	if e.Host != "" {
		return fmt.Sprintf("thread %d is in host function %s: %v", e.Thread, e.Host, e.Cause)
	}
	return fmt.Sprintf("thread %d: %v", e.Thread, e.Cause)
}

// Unwrap returns the cause.
func (e *CloneError) Unwrap() error { return e.Cause }

// shift translates addresses of a thread's blocks into those of its clone's.
type shift [2]movedRange

// movedRange is a range of addresses that has been copied.
type movedRange struct{ from, size, to uintptr }

func (s *shift) addr(a uintptr) uintptr {
	for i := range s {
		if off := a - s[i].from; off < s[i].size {
			return s[i].to + off
		}
	}
	return a
}

// thread clones t. The clone is idle, as if Enter had not been called, with the frames of t's activation; see Engine.Resume.
// Preconditions: t stands, and not in a bulk operation.
func (c *cloner) thread(t *Thread) (clone *Thread, err error) {
	if len(t.Activations) > 1 {
		return nil, &CloneError{Thread: t.ID, Cause: ErrNested}
	}
	top, err := t.Engine.Extent(t)
	if err != nil {
		return nil, &CloneError{Thread: t.ID, Cause: err}
	}
	stack, err := c.pools.getStack(t.stack.Size())
	if err != nil {
		return nil, fmt.Errorf("guest stack: %w", err)
	}
	n := &Thread{core: newCore(c.pools, stack), Engine: t.Engine, ID: t.ID, NoStackCheck: t.NoStackCheck}
	n.Store = &Store{thread: n, refs: c.refs, blocks: blocks{pools: c.pools}}
	if c.refs == nil {
		n.Store.refs = newRefTables(c.pools)
	}
	defer func() {
		if err != nil {
			n.Ctx = nil
			n.Store.close()
			c.pools.putStack(stack, t.deep())
		}
	}()

	var moved shift
	block := t.Ctx.StackBase - t.stack.Base() // of a planned thread: its context and blocks
	moved[0].from, moved[0].size, moved[0].to = t.stack.Base(), block, stack.Base()
	if err := n.Store.blocks.clone(&t.Store.blocks, &moved[1]); err != nil {
		return nil, err
	}
	if c.refs == nil {
		if err := n.Store.refs.clone(t.Store.refs); err != nil {
			return nil, err
		}
	}
	copy(stack.Bytes(int(block)), t.stack.Bytes(int(block)))
	copy(bytesAt(stack.Base()+block, int(top-t.Ctx.StackBase)), bytesAt(t.Ctx.StackBase, int(top-t.Ctx.StackBase)))

	n.context(t, &moved)
	if err := c.store(t.Store, n.Store, &moved); err != nil {
		return nil, err
	}
	c.wait(t, n)
	n.again = t.cloneAgain()
	if n.keeps = t.keeps; n.keeps {
		n.locals.clone(&t.locals)
	}
	return n, nil
}

// context sets the clone's Context, which lies where the original's does among its blocks.
func (n *Thread) context(t *Thread, moved *shift) {
	base := n.stack.Base() + (t.Ctx.StackBase - t.stack.Base())
	onStack := func(a uintptr) uintptr {
		if a == 0 {
			return 0
		}
		return a - t.Ctx.StackBase + base
	}
	n.Ctx = contextAt(moved.addr(addrOfVar(t.Ctx)))
	*n.Ctx = Context{
		Instance: t.Ctx.Instance, PC: t.Ctx.PC, FP: onStack(t.Ctx.FP), Arg: t.Ctx.Arg,
		StackBase: base, stackTop: n.stack.Base() + (t.Ctx.stackTop - t.stack.Base()), stackNear: n.stack.Base() + (t.Ctx.stackNear - t.stack.Base()),
	}
	n.Ctx.stackLimit = n.Ctx.stackNear
	n.Top = onStack(t.Top)
	for _, a := range t.Activations {
		a.FP, a.Top = onStack(a.FP), onStack(a.Top)
		n.Activations = append(n.Activations, a)
	}
}

// wait makes the clone wait as the original does. What is left of the time is taken now: it does not run in an image. The queues are made by queue.
func (c *cloner) wait(t, n *Thread) {
	w := &t.waiter
	n.waiter.again, n.waiter.left = w.again, w.left
	if m := w.at.Load(); m != nil {
		n.waiter.again, n.waiter.left = true, -1
		if d := w.deadline.Load(); d != 0 {
			n.waiter.left = max(1, int64(time.Until(timeOf(d))))
		}
	}
	if n.waiter.again {
		c.threads[w] = n
	}
}

// queues puts clones into the queues of the cloned memories, in the order of the originals. A clone whose original is in none has been notified.
func (c *cloner) queues() {
	for from, to := range c.memories {
		for i := range from.waits.shards {
			s := &from.waits.shards[i]
			s.mu.Lock()
			for addr, q := range s.queues {
				for w := q.head; w != nil; w = w.next {
					if n := c.threads[w]; n != nil {
						to.waits.shards[i].add(addr, &n.waiter)
					}
				}
			}
			s.mu.Unlock()
		}
	}
}

// store clones what a store describes; its blocks have been copied.
func (c *cloner) store(from, to *Store, moved *shift) error {
	to.types, to.budget = from.types, c.budget
	to.blocks.cloneFree(&from.blocks, moved)
	to.funcs = slices.Clip(from.funcs) // only ever appended to
	to.thread.Ctx.Funcs = addrOf(to.funcs)
	to.hostFuncs = make([]*HostFunc, len(from.hostFuncs))
	for i, f := range from.hostFuncs {
		to.hostFuncs[i] = c.host(f)
	}
	for f, r := range from.hostRefs {
		if to.hostRefs == nil {
			to.hostRefs = map[*HostFunc]Ref{}
		}
		to.hostRefs[c.host(f)] = r
	}
	for _, g := range from.globals {
		if moved.addr(g.addr) == g.addr {
			continue // of the plan that a further thread was made by, which has copied what counts
		}
		to.globals = append(to.globals, &Global{Type: g.Type, addr: moved.addr(g.addr)})
	}
	for _, m := range from.memories {
		cm, err := c.memoryOf(m)
		if err != nil {
			return err
		}
		if err := to.adopt(cm, m.owner == from); err != nil {
			return err
		}
	}
	tables := make([]Table, len(from.tables))
	descs := make([]TableDesc, len(from.tables))
	for k, ft := range from.tables {
		tb := &tables[k]
		*tb = Table{Type: ft.Type, Desc: &descs[k], pools: c.pools, max: ft.max}
		to.tables = append(to.tables, tb)
		if err := c.table(ft, tb, moved); err != nil {
			return err
		}
	}
	instances := make([]Instance, len(from.Instances))
	for k, fi := range from.Instances {
		to.Instances = append(to.Instances, &instances[k])
		if err := c.instance(fi, &instances[k], to, moved); err != nil {
			return err
		}
	}
	for k, fi := range from.Instances {
		c.binds(fi, to.Instances[k], to)
	}
	return nil
}

func (c *cloner) memoryOf(m *Memory) (*Memory, error) {
	if cm := c.memories[m]; cm != nil {
		return cm, nil
	}
	cm, err := c.memory(m)
	if err != nil {
		return nil, err
	}
	c.memories[m] = cm
	return cm, nil
}

// table clones a table's elements. Those in the store's blocks have been copied with these.
func (c *cloner) table(from, to *Table, moved *shift) error {
	*to.Desc, to.storage, to.shared = *from.Desc, from.storage, from.shared
	if a := moved.addr(from.Desc.Base); a != from.Desc.Base {
		to.Desc.Base = a
		return nil
	}
	to.shared = true
	if c.share || from.Desc.Len == 0 {
		return nil
	}
	return to.own()
}

// instance clones an instance but for what its imports are bound to.
func (c *cloner) instance(from, to *Instance, s *Store, moved *shift) error {
	*to = Instance{
		Index: from.Index, Store: s, Module: from.Module, Code: from.Code, Tags: from.Tags, view: from.view, refBase: from.refBase,
		refs: maps.Clone(from.refs), elems: slices.Clone(from.elems), dropped: slices.Clone(from.dropped),
	}
	to.view.globals = moved.addr(from.view.globals)
	for k := range to.elems {
		e := &to.elems[k]
		if e.n == 0 {
			continue
		}
		if a := moved.addr(e.addr); a != e.addr {
			e.addr = a
			continue
		}
		e.shared = true
		if !c.share {
			addr, err := s.alloc((e.n + 1) / 2)
			if err != nil {
				return err
			}
			copy(refsAt(addr, e.n), refsAt(e.addr, e.n))
			e.addr, e.shared = addr, false
		}
	}
	if len(from.impGlobals) > 0 {
		to.impGlobals = make([]uintptr, len(from.impGlobals))
		for g, a := range from.impGlobals {
			to.impGlobals[g] = moved.addr(a)
		}
		to.view.impGlobals = addrOf(to.impGlobals)
	}
	if len(from.Memories) > 0 {
		to.Memories = make([]*Memory, len(from.Memories))
		to.memDescs = make([]uintptr, len(from.Memories))
		for k, m := range from.Memories {
			to.Memories[k] = c.memories[m]
			to.memDescs[k] = addrOfVar(to.Memories[k].Desc)
		}
		to.view.mems = addrOf(to.memDescs)
	}
	if len(from.Tables) > 0 {
		to.Tables = make([]*Table, len(from.Tables))
		to.tableDescs = make([]uintptr, len(from.Tables))
		for k, ft := range from.Tables {
			tb := s.tables[slices.Index(from.Store.tables, ft)]
			to.Tables[k], to.tableDescs[k] = tb, addrOfVar(tb.Desc)
		}
		to.view.tables = addrOf(to.tableDescs)
	}
	return nil
}

// binds sets what a cloned instance's imports are bound to, when all instances of its store are there.
func (c *cloner) binds(from, to *Instance, s *Store) {
	to.Imports = slices.Clone(from.Imports)
	for k := range to.Imports {
		im := &to.Imports[k]
		if im.Host != nil {
			im.Host = c.host(im.Host)
		} else {
			im.Inst = s.Instances[im.Inst.Index]
		}
	}
	if int(from.Index) >= len(c.main.Instances) {
		return
	}
	to.binds = slices.Clone(c.main.Instances[from.Index].binds)
	funcs, tables, memories, globals := 0, 0, 0, 0
	for k := range to.binds {
		switch x := &to.binds[k]; {
		case x.Func != nil:
			f := *x.Func
			if f.Host != nil {
				f.Host = c.host(f.Host)
			} else {
				f.Inst = s.Instances[f.Inst.Index]
			}
			x.Func = &f
			funcs++
		case x.Table != nil:
			x.Table = to.Tables[tables]
			tables++
		case x.Memory != nil:
			x.Memory = to.Memories[memories]
			memories++
		case x.Global != nil:
			x.Global = to.importedGlobal(globals, s)
			globals++
		}
	}
}

// importedGlobal returns the global that an import is bound to: the store's own one, or that of the instance that defines it.
func (i *Instance) importedGlobal(k int, s *Store) *Global {
	for _, g := range s.globals {
		if g.addr == i.impGlobals[k] {
			return g
		}
	}
	return i.Global(uint32(k))
}
