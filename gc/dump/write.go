package dump

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// The stream. All numbers are unsigned varints (encoding/binary); a reference is an object's offset in the heap divided by 8, so never 0.
//
//	stream = magic record* end
//	magic  = "spindle heap 1\n"
//	record = 'T' id name size elem             a type, before the first object of it; name is a length and so many bytes; size is 0 for arrays, elem for structs
//	       | 'R' mutator flags ref             a root; mutator counts from 1, 0 is global; flags: 1 pinned
//	       | 'O' ref type length n field{n}    an object; length is 0 for structs
//	field  = off/4<<1|weak ref                 a reference at an offset in the object
//	end    = 'E' roots objects                 how many there were
//
// Every object that a root or a strong field names is there once; a weak field may name one that is not, which something else than the roots keeps alive.
const magic = "spindle heap 1\n"

const (
	recordType   = 'T'
	recordRoot   = 'R'
	recordObject = 'O'
	recordEnd    = 'E'

	flagPinned = 1
)

// Write writes a dump. The error is the writer's.
func Write(out io.Writer, v *plan.View) error {
	w := &writer{w: bufio.NewWriterSize(out, 1<<16)}
	w.bytes(magic)
	var roots, objects uint64
	mem, types, known := v.Mem, v.Mem.Types.All(), map[heap.TypeID]bool{}
	var fields []uint64
	walk(v, func(r Root) {
		roots++
		flags := uint64(0)
		if r.Pinned {
			flags = flagPinned
		}
		w.record(recordRoot, uint64(r.Mutator+1), flags, uint64(r.Ref/8))
	}, func(r heap.Ref) {
		objects++
		id := mem.TypeOf(r)
		typ := &types[id]
		if !known[id] {
			known[id] = true
			w.record(recordType, uint64(id), uint64(len(typ.Name)))
			w.bytes(typ.Name)
			w.numbers(uint64(typ.Size), uint64(typ.Elem))
		}
		fields = fields[:0]
		Fields(mem, r, func(off uint32, to heap.Ref, weak bool) {
			at := uint64(off/4) << 1
			if weak {
				at |= 1
			}
			fields = append(fields, at, uint64(to/8))
		})
		length := uint64(0)
		if typ.Elem > 0 {
			length = uint64(mem.Length(r))
		}
		w.record(recordObject, uint64(r/8), uint64(id), length, uint64(len(fields)/2))
		w.numbers(fields...)
	})
	w.record(recordEnd, roots, objects)
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}

// writer keeps the first error.
type writer struct {
	w   *bufio.Writer
	err error
	buf [binary.MaxVarintLen64]byte
}

func (w *writer) bytes(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}

func (w *writer) record(kind byte, ns ...uint64) {
	if w.err == nil {
		w.err = w.w.WriteByte(kind)
	}
	w.numbers(ns...)
}

func (w *writer) numbers(ns ...uint64) {
	for _, n := range ns {
		if w.err != nil {
			return
		}
		_, w.err = w.w.Write(w.buf[:binary.PutUvarint(w.buf[:], n)])
	}
}
