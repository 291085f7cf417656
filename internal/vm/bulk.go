package vm

import "encoding/binary"

// chunk is how much a bulk operation does between two looks at the safepoint word. At a few GiB/s it is well under a millisecond.
const chunk = 1 << 20

// inBounds reports whether [at, at+n) lies within size, without overflow.
func inBounds(at, n, size uint64) bool { return n <= size && at <= size-n }

// chunks calls f for consecutive pieces of n bytes, and stops early with the thread's stop error if it is told to unwind.
// A pause waits until the operation is over: half-done, it could be neither described nor repeated.
func (t *Thread) chunks(n uint64, f func(at, n uint64)) error {
	for at := uint64(0); at < n; at += chunk {
		if t.Ctx.Flag()&FlagTerminate != 0 {
			return t.Poll()
		}
		f(at, min(chunk, n-at))
	}
	return nil
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
	return t.chunks(n, func(o, n uint64) { fillBytes(b[o:o+n], val) })
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
	if dst == src && d > s && d < s+n {
		// Overlapping upwards: piece by piece from the end.
		return t.chunks(n, func(o, c uint64) {
			lo := n - o - c
			copy(to[lo:lo+c], from[lo:lo+c])
		})
	}
	return t.chunks(n, func(o, c uint64) { copy(to[o:o+c], from[o:o+c]) })
}

// MemoryInit is memory.init.
func (t *Thread) MemoryInit(inst *Instance, seg uint32, m *Memory, d, s, n uint64) error {
	data := inst.data(seg)
	if !inBounds(s, n, uint64(len(data))) || !inBounds(d, n, m.Len()) {
		return NewTrap(TrapMemoryOutOfBounds)
	}
	to := bytesAt(m.Desc.Base+uintptr(d), int(n))
	return t.chunks(n, func(o, c uint64) { copy(to[o:o+c], data[s+o:s+o+c]) })
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
	return t.chunks(n, func(o, c uint64) { inst.copyElems(refs[o:o+c], seg, s+o) })
}

// TableCopy is table.copy.
func (t *Thread) TableCopy(dst, src *Table, d, s, n uint64) error {
	if !inBounds(d, n, dst.Size()) || !inBounds(s, n, src.Size()) {
		return NewTrap(TrapTableOutOfBounds)
	}
	if err := dst.own(); err != nil {
		return err
	}
	copy(dst.Refs()[d:d+n], src.Refs()[s:s+n]) // at most 40 MB
	return nil
}

// TableFill is table.fill.
func (t *Thread) TableFill(tb *Table, at uint64, r Ref, n uint64) error {
	if !inBounds(at, n, tb.Size()) {
		return NewTrap(TrapTableOutOfBounds)
	}
	if err := tb.own(); err != nil {
		return err
	}
	tb.fill(at, n, r)
	return nil
}
