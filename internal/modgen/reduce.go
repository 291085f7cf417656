package modgen

import (
	"bytes"
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Reduce makes a valid module smaller for as long as holds is true of it: it drops exports, replaces bodies by unreachable, and
// drops instructions or puts constants in place of them. holds is called with valid modules only; it must be true of b.
func Reduce(b []byte, holds func([]byte) bool) []byte {
	r := &reducer{holds: holds, ts: wasm.NewTypeSpace()}
	if !r.load(b) {
		return b
	}
	for {
		before := len(r.current)
		r.reduceExports()
		for i := range r.bodies {
			r.try(i, []byte{0, byte(wasm.OpUnreachable), byte(wasm.OpEnd)})
		}
		for i := range r.bodies {
			r.reduceBody(i)
		}
		if len(r.current) >= before {
			return r.current
		}
	}
}

// reducer holds a module cut into pieces.
type reducer struct {
	holds    func([]byte) bool
	ts       *wasm.TypeSpace
	current  []byte
	sections []section
	bodies   [][]byte // of the code section, without their sizes
	exports  [][]byte // of the export section
	tries    int
}

type section struct {
	id      wasm.SectionID
	content []byte
}

// maxTries bounds the work: reducing is for people who wait.
const maxTries = 200_000

// load cuts a module up; false if it cannot.
func (r *reducer) load(b []byte) bool {
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		return false
	}
	r.current = b
	c := cut{b: b[len(header):]}
	for len(c.b) > 0 {
		id := wasm.SectionID(c.b[0])
		c.b = c.b[1:]
		r.sections = append(r.sections, section{id, c.take(c.u32())})
	}
	for i := range m.Bodies {
		body := &m.Bodies[i]
		r.bodies = append(r.bodies, b[body.Start:body.Offset+uint32(len(body.Code))])
	}
	for _, e := range m.Exports {
		r.exports = append(r.exports, appendU(append(wasm.AppendName(nil, e.Name), byte(e.Kind)), uint64(e.Index)))
	}
	return true
}

// cut reads a module that is known to be well-formed.
type cut struct{ b []byte }

func (c *cut) u32() uint32 {
	v, shift := uint32(0), 0
	for {
		x := c.b[0]
		c.b = c.b[1:]
		v |= uint32(x&0x7F) << shift
		if x < 0x80 {
			return v
		}
		shift += 7
	}
}

func (c *cut) take(n uint32) []byte {
	s := c.b[:n]
	c.b = c.b[n:]
	return s
}

// build puts the pieces together.
func (r *reducer) build() []byte {
	out := append([]byte(nil), header...)
	for _, s := range r.sections {
		switch s.id {
		case wasm.SectionCode:
			content := appendU(nil, uint64(len(r.bodies)))
			for _, body := range r.bodies {
				content = append(appendU(content, uint64(len(body))), body...)
			}
			out = appendSection(out, s.id, content)
		case wasm.SectionExport:
			content := appendU(nil, uint64(len(r.exports)))
			for _, e := range r.exports {
				content = append(content, e...)
			}
			out = appendSection(out, s.id, content)
		default:
			out = appendSection(out, s.id, s.content)
		}
	}
	return out
}

// keep reports whether the pieces still make a valid module of which the property holds, and makes that the current one.
func (r *reducer) keep() bool {
	if r.tries++; r.tries > maxTries {
		return false
	}
	b := r.build()
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil || wasm.Validate(m, r.ts, wasm.ValidateOptions{Workers: 1}) != nil || !r.holds(b) {
		return false
	}
	r.current = b
	return true
}

// try replaces a body if that makes it shorter and the property still holds.
func (r *reducer) try(i int, body []byte) bool {
	old := r.bodies[i]
	if len(body) >= len(old) {
		return false
	}
	r.bodies[i] = body
	if !r.keep() {
		r.bodies[i] = old
		return false
	}
	return true
}

func (r *reducer) reduceExports() {
	for i := 0; i < len(r.exports); {
		old := r.exports
		r.exports = slices.Delete(slices.Clone(old), i, i+1)
		if !r.keep() {
			r.exports = old
			i++
		}
	}
}

// stand-ins for a stretch of instructions.
var standIns = [][]byte{
	nil,
	{byte(wasm.OpI32Const), 0},
	{byte(wasm.OpDrop)},
	{byte(wasm.OpI64Const), 0},
	{byte(wasm.OpUnreachable)},
	{byte(wasm.OpF32Const), 0, 0, 0, 0},
	{byte(wasm.OpF64Const), 0, 0, 0, 0, 0, 0, 0, 0},
	append([]byte{0xFD, 12}, make([]byte, 16)...),
}

// reduceBody drops stretches of instructions, long ones first.
func (r *reducer) reduceBody(i int) {
	for size := len(r.instrs(i)) / 2; size > 0; size /= 2 {
		for at := 0; ; {
			starts := r.instrs(i)
			if at+size >= len(starts) { // the last instruction is the end
				break
			}
			if !r.replace(i, starts[at], starts[at+size], size) {
				at += max(size/2, 1)
			}
		}
	}
	r.unwrap(i)
}

func (r *reducer) replace(i, from, to, size int) bool {
	body := r.bodies[i]
	for k, s := range standIns {
		if k > 0 && size > 64 && k > 2 {
			break
		}
		if r.try(i, slices.Concat(body[:from], s, body[to:])) {
			return true
		}
	}
	return false
}

// unwrap takes blocks away: the whole of one, its head and end, or an arm.
func (r *reducer) unwrap(i int) {
	for at := 0; ; at++ {
		starts := r.instrs(i)
		if at+1 >= len(starts) {
			return
		}
		body, depth, middle := r.bodies[i], 0, 0
		for k := at; k+1 < len(starts); k++ {
			switch wasm.Opcode(body[starts[k]]) {
			case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpTryTable:
				depth++
			case wasm.OpElse:
				if depth == 1 {
					middle = k
				}
			case wasm.OpEnd:
				depth--
			}
			if depth == 0 {
				before, after := body[:starts[at]], body[starts[k+1]:]
				switch {
				case k == at || r.replace(i, starts[at], starts[k+1], k-at):
				case middle > 0: // one arm of an if
					_ = r.try(i, slices.Concat(before, body[starts[at+1]:starts[middle]], after)) ||
						r.try(i, slices.Concat(before, body[starts[middle+1]:starts[k]], after))
				default:
					r.try(i, slices.Concat(before, body[starts[at+1]:starts[k]], after))
				}
				break
			}
		}
	}
}

// instrs returns the offsets of the instructions of a body, the final end included.
func (r *reducer) instrs(i int) (starts []int) {
	body := r.bodies[i]
	c := cut{b: bytes.Clone(body)}
	for n := c.u32(); n > 0; n-- {
		c.u32()
		if kind := c.take(1)[0]; kind == 0x63 || kind == 0x64 {
			c.u32() // a heap type; its sign does not matter here
		}
	}
	first := len(body) - len(c.b)
	var rd wasm.InstrReader
	var in wasm.Instr
	rd.Reset(c.b, 0)
	for rd.More() {
		starts = append(starts, first+rd.Pos())
		if rd.Next(&in) != nil {
			return nil
		}
	}
	return starts
}
