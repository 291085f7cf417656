package vm

import "encoding/binary"

// chunk is how many bytes a bulk operation works on between two looks at the safepoint word, refChunk how many references. At a few GiB/s
// it is well under a millisecond.
const (
	chunk    = 1 << 20
	refChunk = chunk / 4
)

// inBounds reports whether [at, at+n) lies within size, without overflow.
func inBounds(at, n, size uint64) bool { return n <= size && at <= size-n }

// chunks calls f for consecutive pieces of n, and stops early with the thread's stop error if it is told to unwind.
// A pause waits until the operation is over: half-done, it could be neither described nor repeated.
func (t *Thread) chunks(n, piece uint64, f func(at, n uint64)) error {
	for at := uint64(0); at < n; at += piece {
		if t.Ctx.Flag()&FlagTerminate != 0 {
			if err := t.stopped(); err != nil {
				return err
			}
		}
		f(at, min(piece, n-at))
	}
	return nil
}

// move copies from one place to another of the same length in pieces. Where the two overlap upwards it begins at the end.
func move[E any](t *Thread, to, from []E, piece uint64, upwards bool) error {
	n := uint64(len(to))
	return t.chunks(n, piece, func(at, c uint64) {
		if upwards {
			at = n - at - c
		}
		copy(to[at:at+c], from[at:at+c])
	})
}

// MemoryFill is memory.fill.
func (t *Thread) MemoryFill(m *Memory, at uint64, val byte, n uint64) error {
	if !inBounds(at, n, m.Len()) {
		return NewTrap(TrapMemoryOutOfBounds)
	}
	b := bytesAt(m.Desc.Base+uintptr(at), int(n))
	if n <= chunk {
		fillBytes(b, val)
		return nil
	}
	return t.chunks(n, chunk, func(o, n uint64) { fillBytes(b[o:o+n], val) })
}

// fillBytes sets all bytes of p: by words where there are few, by copies of twice as much each time where there are many.
func fillBytes(p []byte, val byte) {
	if val == 0 {
		clear(p)
		return
	}
	const few = 256
	word := uint64(val) * 0x0101010101010101
	head := p[:min(len(p), few)]
	for len(head) >= 8 {
		binary.LittleEndian.PutUint64(head, word)
		head = head[8:]
	}
	for i := range head {
		head[i] = val
	}
	for done := few; done < len(p); done *= 2 {
		copy(p[done:], p[:done])
	}
}

// MemoryCopy is memory.copy.
func (t *Thread) MemoryCopy(dst, src *Memory, d, s, n uint64) error {
	if !inBounds(d, n, dst.Len()) || !inBounds(s, n, src.Len()) {
		return NewTrap(TrapMemoryOutOfBounds)
	}
	to, from := bytesAt(dst.Desc.Base+uintptr(d), int(n)), bytesAt(src.Desc.Base+uintptr(s), int(n))
	if n <= chunk {
		copy(to, from)
		return nil
	}
	return move(t, to, from, chunk, dst == src && d > s)
}

// MemoryInit is memory.init.
func (t *Thread) MemoryInit(inst *Instance, seg uint32, m *Memory, d, s, n uint64) error {
	data := inst.data(seg)
	if !inBounds(s, n, uint64(len(data))) || !inBounds(d, n, m.Len()) {
		return NewTrap(TrapMemoryOutOfBounds)
	}
	return move(t, bytesAt(m.Desc.Base+uintptr(d), int(n)), data[s:s+n], chunk, false)
}

// TableInit is table.init.
func (t *Thread) TableInit(inst *Instance, seg uint32, tb *Table, d, s, n uint64) error {
	if !inBounds(s, n, inst.elemLen(seg)) || !inBounds(d, n, tb.Size()) {
		return NewTrap(TrapTableOutOfBounds)
	}
	if err := tb.own(); err != nil {
		return err
	}
	refs := tb.Refs()[d : d+n]
	return t.chunks(n, refChunk, func(o, c uint64) { inst.copyElems(refs[o:o+c], seg, s+o) })
}

// TableCopy is table.copy.
func (t *Thread) TableCopy(dst, src *Table, d, s, n uint64) error {
	if !inBounds(d, n, dst.Size()) || !inBounds(s, n, src.Size()) {
		return NewTrap(TrapTableOutOfBounds)
	}
	if err := dst.own(); err != nil {
		return err
	}
	return move(t, dst.Refs()[d:d+n], src.Refs()[s:s+n], refChunk, dst == src && d > s)
}

// TableFill is table.fill.
func (t *Thread) TableFill(tb *Table, at uint64, r Ref, n uint64) error {
	if !inBounds(at, n, tb.Size()) {
		return NewTrap(TrapTableOutOfBounds)
	}
	if err := tb.own(); err != nil {
		return err
	}
	return t.fillRefs(tb.Refs()[at:at+n], r)
}

// TableGrow is table.grow: it returns the old size; ok is false if the table cannot grow that far. Stopped on the way, it leaves the
// table as it was.
func (t *Thread) TableGrow(tb *Table, delta uint64, init Ref) (old uint64, ok bool, err error) {
	old = tb.Size()
	if delta > tb.max || old+delta > tb.max || tb.reserve(t.Store, old+delta) != nil {
		return old, false, nil
	}
	if err := t.fillRefs(refsAt(tb.Desc.Base, int(old+delta))[old:], init); err != nil {
		return old, false, err
	}
	tb.Desc.Len = old + delta
	return old, true, nil
}

func (t *Thread) fillRefs(refs []Ref, r Ref) error {
	return t.chunks(uint64(len(refs)), refChunk, func(o, n uint64) { fillRefs(refs[o:o+n], r) })
}

func fillRefs(refs []Ref, r Ref) {
	for i := range refs {
		refs[i] = r
	}
}
