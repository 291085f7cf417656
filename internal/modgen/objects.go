package modgen

import "github.com/spindle-wasm/spindle/internal/wasm"

// Idioms of programs with objects: lists that are built and walked, old objects that are made to point at young ones, arrays of
// references that are moved about, casts behind tests. Random types seldom allow them, so half of the modules get some for it.

// nodeTypes are the types that idioms of objects use; they are 0 for modules without, which is no problem: then ok is false.
type nodeTypes struct {
	ok bool
	// node is a struct whose field 0 is the link, (mut (ref null node)); more is a subtype with more fields; list is an array of
	// (mut (ref null node)).
	node, more, list uint32
}

func (g *gen) makeNodeTypes() {
	if !g.cfg.Aggregates || g.c.oneIn(2) {
		return
	}
	x := len(g.types.subs)
	link := wasm.RefTo(wasm.HeapType(x), true)
	fields := append([]wasm.FieldType{{Type: link, Mutable: true}}, g.fields(g.c.span(1, 4))...)
	more := append(append([]wasm.FieldType(nil), fields...), g.fields(g.c.n(3))...)
	g.types.add(
		wasm.SubType{Kind: wasm.CompStruct, Super: -1, Fields: fields},
		wasm.SubType{Kind: wasm.CompStruct, Super: int32(x), Final: true, Fields: more},
		wasm.SubType{Kind: wasm.CompArray, Super: -1, Final: true, Fields: []wasm.FieldType{{Type: link, Mutable: true}}},
	)
	g.nodes = nodeTypes{true, uint32(x), uint32(x + 1), uint32(x + 2)}
}

func (g *gen) nodeRef(null bool) wasm.ValType { return wasm.RefTo(wasm.HeapType(g.nodes.node), null) }
func (g *gen) listRef(null bool) wasm.ValType { return wasm.RefTo(wasm.HeapType(g.nodes.list), null) }

func (b *body) objectIdiom() {
	if b.top().dead {
		b.sink()
		return
	}
	b.protect(func() {
		switch b.c.n(5) {
		case 0:
			b.buildChain()
		case 1:
			b.walkChain()
		case 2:
			b.rewire()
		case 3:
			b.moveNodes()
		default:
			b.guardedCast()
		}
	})
}

func (b *body) get(x int) { b.op(wasm.OpLocalGet, 0, []wasm.ValType{b.locals[x]}, uint64(x)) }

func (b *body) i32(n int) {
	b.code = wasm.AppendSigned(wasm.AppendOpcode(b.code, wasm.OpI32Const), int64(n))
	b.push(wasm.I32)
}

// times writes a loop that goes around n times, if nothing leaves it before.
func (b *body) times(n int, f func()) {
	x := b.newLocal(wasm.I32, true)
	b.private[x] = true
	b.i32(0)
	b.setLocal(wasm.OpLocalSet, x)
	b.emit(wasm.OpLoop)
	b.code = append(b.code, 0x40)
	b.open(wasm.OpLoop, nil, nil)
	b.useFuel()
	f()
	if !b.top().dead {
		b.get(x)
		b.i32(1)
		b.op(wasm.OpI32Add, 2, []wasm.ValType{wasm.I32})
		b.setLocal(wasm.OpLocalTee, x)
		b.i32(n)
		b.op(wasm.OpI32LtU, 2, []wasm.ValType{wasm.I32})
		b.op(wasm.OpBrIf, 1, nil, 0)
	}
	b.close()
}

// within writes a block without parameters or results.
func (b *body) within(f func()) {
	b.emit(wasm.OpBlock)
	b.code = append(b.code, 0x40)
	b.open(wasm.OpBlock, nil, nil)
	f()
	b.close()
}

// chain is a local that holds a list of nodes; other code sets it, too.
func (b *body) chain() int { return b.objectLocal(b.nodeRef(true)) }

func (b *body) objectLocal(t wasm.ValType) int {
	if x, ok := b.pickIndex(len(b.locals), func(x int) bool { return b.locals[x] == t && b.set[x] && !b.private[x] }); ok {
		return x
	}
	return b.newLocal(t, true)
}

// newNode puts a node, or one with more fields, on the stack; its link is what x holds.
func (b *body) newNode(x int) {
	t := b.nodes.node
	if b.c.oneIn(3) {
		t = b.nodes.more
	}
	fields := b.types.subs[t].Fields
	b.get(x)
	for _, f := range fields[1:] {
		b.value(f.Type.Unpacked())
	}
	b.op(wasm.OpStructNew, len(fields), []wasm.ValType{wasm.RefTo(wasm.HeapType(t), false)}, uint64(t))
}

// buildChain prepends nodes to a list.
func (b *body) buildChain() {
	l := b.chain()
	b.times(b.c.span(1, 6), func() {
		b.newNode(l)
		b.setLocal(wasm.OpLocalSet, l)
		b.instrs(b.c.n(2))
	})
}

// field reads a field other than the link of the node on the stack, and puts it somewhere.
func (b *body) field() {
	fields := b.types.subs[b.nodes.node].Fields
	i := b.c.span(1, len(fields)-1)
	f := fields[i]
	b.op(b.getOp(f.Type, wasm.OpStructGet, wasm.OpStructGetS, wasm.OpStructGetU), 1, []wasm.ValType{f.Type.Unpacked()}, uint64(b.nodes.node), uint64(i))
	b.sink()
}

// walkChain follows links.
func (b *body) walkChain() {
	l := b.chain()
	at := b.newLocal(b.nodeRef(true), true)
	b.private[at] = true
	b.get(l)
	b.setLocal(wasm.OpLocalSet, at)
	b.within(func() {
		b.times(b.c.span(2, 8), func() {
			b.get(at)
			b.op(wasm.OpBrOnNull, 1, []wasm.ValType{b.nodeRef(false)}, 1)
			b.field()
			b.get(at)
			b.op(wasm.OpStructGet, 1, []wasm.ValType{b.nodeRef(true)}, uint64(b.nodes.node), 0)
			b.setLocal(wasm.OpLocalSet, at)
		})
	})
}

// rewire makes an old node point at a new one, which points at what the old one did, or at anything; cycles come about.
func (b *body) rewire() {
	l, to := b.chain(), b.chain()
	b.times(b.c.span(1, 3), func() {
		b.within(func() {
			b.get(l)
			b.op(wasm.OpBrOnNull, 1, []wasm.ValType{b.nodeRef(false)}, 0)
			if b.c.oneIn(3) {
				b.get(to)
			} else {
				b.newNode(to)
			}
			if !b.top().dead {
				b.op(wasm.OpStructSet, 2, nil, uint64(b.nodes.node), 0)
			}
		})
	})
}

// moveNodes fills an array with nodes, moves and copies parts of it, and takes one out.
func (b *body) moveNodes() {
	l, a := b.chain(), b.objectLocal(b.listRef(true))
	t := uint64(b.nodes.list)
	size := b.c.span(2, 24)
	b.i32(size)
	b.op(wasm.OpArrayNewDefault, 1, []wasm.ValType{b.listRef(false)}, t)
	b.setLocal(wasm.OpLocalSet, a)
	place := func() (at, n int) {
		at = b.c.n(size)
		return at, b.c.n(size - at + 1)
	}
	for range b.c.span(1, 5) {
		at, n := place()
		switch b.c.n(4) {
		case 0:
			b.get(a)
			b.i32(at)
			b.get(l)
			b.op(wasm.OpArraySet, 3, nil, t)
		case 1:
			b.get(a)
			b.i32(at)
			b.newNode(l)
			if b.top().dead {
				return
			}
			b.i32(n)
			b.op(wasm.OpArrayFill, 4, nil, t)
		case 2:
			from := b.c.n(size - n + 1)
			b.get(a)
			b.i32(at)
			b.get(a)
			b.i32(from)
			b.i32(n)
			b.op(wasm.OpArrayCopy, 5, nil, t, t)
		default:
			b.get(a)
			b.i32(at)
			b.op(wasm.OpArrayGet, 2, []wasm.ValType{b.nodeRef(true)}, t)
			b.setLocal(wasm.OpLocalSet, l)
		}
	}
}

// guardedCast tests what a reference of any type is, and casts it if that will work.
func (b *body) guardedCast() {
	x := b.objectLocal(wasm.RefTo(wasm.HeapAny, true))
	if b.c.oneIn(2) {
		b.value(b.locals[x])
		if b.top().dead {
			return
		}
		b.setLocal(wasm.OpLocalSet, x)
	}
	target := pick(b.c, []uint32{b.nodes.node, b.nodes.more, b.nodes.list})
	cast := func(op wasm.Opcode, result wasm.ValType) {
		b.get(x)
		b.emit(op)
		b.code = wasm.AppendHeapType(b.code, wasm.HeapType(target))
		b.pop(1)
		b.push(result)
	}
	cast(wasm.OpRefTest, wasm.I32)
	b.pop(1)
	b.emit(wasm.OpIf)
	b.code = append(b.code, 0x40)
	b.open(wasm.OpIf, nil, nil)
	cast(wasm.OpRefCast, wasm.RefTo(wasm.HeapType(target), false))
	if target == b.nodes.list {
		b.setLocal(wasm.OpLocalSet, b.objectLocal(b.listRef(true)))
	} else {
		b.setLocal(wasm.OpLocalTee, b.chain())
		b.op(wasm.OpRefAsNonNull, 1, []wasm.ValType{b.nodeRef(false)})
		b.field()
	}
	b.close()
}
