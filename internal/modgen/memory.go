package modgen

import (
	"math/bits"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// address puts an address of memory m on the stack, tamed to what an access of the width reaches in one page.
func (b *body) address(m int, width int) {
	mem := &b.mems[m]
	t := mem.AddrType()
	b.need(t)
	if mem.Min > 0 && b.tame() {
		b.mask(t, 0x7FFF&^int64(width-1))
	}
}

// memarg writes a memory argument.
func (b *body) memarg(m int, width int, exact bool) {
	natural := bits.TrailingZeros(uint(width))
	align := natural
	if !exact {
		align = b.c.n(natural + 1)
	}
	offset := uint64(b.c.n(256))
	if b.c.oneIn(4) {
		offset = uint64(b.c.n(0x7FF0))
	}
	if !b.tame() {
		offset = b.c.u64() >> (b.c.byte() % 64)
		if !b.mems[m].Is64 {
			offset &= 1<<32 - 1
		}
	}
	if exact {
		offset &^= uint64(width - 1)
	}
	flags := uint64(align)
	if m != 0 {
		flags |= 0x40 // a memory index follows (specification: Binary Format, Memory Instructions)
	}
	b.code = appendU(b.code, flags)
	if m != 0 {
		b.code = appendU(b.code, uint64(m))
	}
	b.code = appendU(b.code, offset)
}

// access writes a load or store of any kind.
func (b *body) access(op wasm.Opcode) {
	if len(b.mems) == 0 {
		return
	}
	info := op.Info()
	m := b.c.n(len(b.mems))
	params, results := signature(info, b.mems[m].AddrType())
	width := int(info.Width)
	atomic := info.Feature == wasm.FeatureThreads
	if atomic {
		b.address(m, width)
	} else {
		b.address(m, 1)
	}
	for i, t := range params[1:] {
		b.value(t)
		if i == 1 && (op == wasm.OpMemoryAtomicWait32 || op == wasm.OpMemoryAtomicWait64) {
			b.mask(wasm.I64, 0x3FF) // nanoseconds
		}
	}
	b.emit(op)
	b.memarg(m, width, atomic)
	if info.Imm == wasm.ImmMemargLane {
		b.code = append(b.code, byte(b.c.n(16/width)))
	}
	b.pop(len(params))
	b.push(results...)
}

func (b *body) atomic() { b.typed(b.pickTyped(groupAtomic)) }

// memorySize writes memory.size or memory.grow.
func (b *body) memorySize(op wasm.Opcode) {
	if len(b.mems) == 0 {
		return
	}
	m := b.c.n(len(b.mems))
	mem := &b.mems[m]
	t := mem.AddrType()
	if op == wasm.OpMemorySize {
		b.op(op, 0, []wasm.ValType{t}, uint64(m))
		return
	}
	b.need(t)
	if !mem.HasMax || b.tame() {
		b.mask(t, 1)
	}
	b.op(op, 1, []wasm.ValType{t}, uint64(m))
}

// tamed puts a value of type t on the stack that is at most mask, unless the module is careless.
func (b *body) tamed(t wasm.ValType, mask int64) {
	b.value(t)
	if b.tame() {
		b.mask(t, mask)
	}
}

func lesser(x, y wasm.ValType) wasm.ValType {
	if x == wasm.I64 && y == wasm.I64 {
		return wasm.I64
	}
	return wasm.I32
}

// bulkMemory writes memory.fill, copy or init, or data.drop.
func (b *body) bulkMemory() {
	m := b.c.n(len(b.mems))
	t := b.mems[m].AddrType()
	switch b.c.n(7) {
	case 0, 1:
		b.tamed(t, 0x7FFF)
		b.value(wasm.I32)
		b.tamed(t, 0xFFF)
		b.op(wasm.OpMemoryFill, 3, nil, uint64(m))
	case 2, 3:
		from := b.c.n(len(b.mems))
		s := b.mems[from].AddrType()
		b.tamed(t, 0x7FFF)
		b.tamed(s, 0x7FFF)
		b.tamed(lesser(t, s), 0xFFF)
		b.op(wasm.OpMemoryCopy, 3, nil, uint64(m), uint64(from))
	case 4, 5:
		d, ok := b.pickIndex(len(b.datas), func(d int) bool { return !b.cfg.Peers || b.datas[d].mode == wasm.SegmentPassive })
		if !ok {
			return
		}
		b.tamed(t, 0x7FFF)
		b.tamed(wasm.I32, int64(len(b.datas[d].init)/4))
		b.tamed(wasm.I32, int64(len(b.datas[d].init)/2))
		b.op(wasm.OpMemoryInit, 3, nil, uint64(d), uint64(m))
	default:
		if len(b.datas) == 0 {
			return
		}
		b.emit(wasm.OpDataDrop, uint64(b.c.n(len(b.datas))))
	}
}

// tableAccess writes table.get, set, size or grow.
func (b *body) tableAccess() {
	x := b.c.n(len(b.tables))
	tab := &b.tables[x]
	t := tab.AddrType()
	switch b.c.n(6) {
	case 0, 1:
		b.need(t)
		if b.tame() {
			b.mask(t, 3)
		}
		b.op(wasm.OpTableGet, 1, []wasm.ValType{tab.Elem}, uint64(x))
	case 2, 3:
		b.tamed(t, 3)
		b.value(tab.Elem)
		b.op(wasm.OpTableSet, 2, nil, uint64(x))
	case 4:
		b.op(wasm.OpTableSize, 0, []wasm.ValType{t}, uint64(x))
	default:
		b.need(tab.Elem)
		b.value(t)
		if !tab.HasMax || b.tame() {
			b.mask(t, 3)
		}
		b.op(wasm.OpTableGrow, 2, []wasm.ValType{t}, uint64(x))
	}
}

// bulkTable writes table.fill, copy or init, or elem.drop.
func (b *body) bulkTable() {
	x := b.c.n(len(b.tables))
	tab := &b.tables[x]
	t := tab.AddrType()
	switch b.c.n(7) {
	case 0, 1:
		b.tamed(t, 1)
		b.value(tab.Elem)
		b.tamed(t, 3)
		b.op(wasm.OpTableFill, 3, nil, uint64(x))
	case 2, 3:
		y, ok := b.pickIndex(len(b.tables), func(y int) bool { return b.types.match(b.tables[y].Elem, tab.Elem) })
		if !ok {
			return
		}
		s := b.tables[y].AddrType()
		b.tamed(t, 1)
		b.tamed(s, 1)
		b.tamed(lesser(t, s), 3)
		b.op(wasm.OpTableCopy, 3, nil, uint64(x), uint64(y))
	case 4, 5:
		e, ok := b.pickIndex(len(b.elems), func(e int) bool {
			return b.types.match(b.elems[e].elemType(), tab.Elem)
		})
		if !ok {
			return
		}
		b.tamed(t, 3)
		b.tamed(wasm.I32, int64(b.elems[e].len()/4))
		b.tamed(wasm.I32, int64(b.elems[e].len()/2))
		b.op(wasm.OpTableInit, 3, nil, uint64(e), uint64(x))
	default:
		if len(b.elems) == 0 {
			return
		}
		b.emit(wasm.OpElemDrop, uint64(b.c.n(len(b.elems))))
	}
}

func (e *elemDef) len() int { return len(e.statics) }

// elemType is the type of the segment's elements: lists of indices have one of their own.
func (e *elemDef) elemType() wasm.ValType {
	if e.funcs != nil {
		return wasm.RefTo(wasm.HeapFunc, false)
	}
	return e.typ
}
