package wasm

import "encoding/binary"

// cursor reads the binary format's primitives. The first error sticks: later reads return zeroes until error collects it, so
// that callers test once per item; loops over counts must test msg.
type cursor struct {
	code   []byte
	pos    int
	bad    int    // position of the first error
	msg    string // of the first error, empty without one
	offset uint32 // of code in the module
}

// fail records the first error of an instruction.
func (c *cursor) fail(msg string) {
	if c.msg == "" {
		c.msg, c.bad = msg, c.pos
	}
}

func (c *cursor) error() error {
	err := malformed(c.offset+uint32(c.bad), "%s", c.msg)
	c.msg = ""
	return err
}

func (c *cursor) byte() byte {
	if c.pos >= len(c.code) {
		c.fail(msgEnd)
		return 0
	}
	c.pos++
	return c.code[c.pos-1]
}

// u32 and s32 read up to three and four bytes without a loop: almost all integers in modules.
func (c *cursor) u32() uint32 {
	if p := c.pos; p+2 < len(c.code) {
		b := c.code[p : p+3 : p+3]
		if b[0] < 0x80 {
			c.pos = p + 1
			return uint32(b[0])
		}
		if b[1] < 0x80 {
			c.pos = p + 2
			return uint32(b[0]&0x7F) | uint32(b[1])<<7
		}
		if b[2] < 0x80 {
			c.pos = p + 3
			return uint32(b[0]&0x7F) | uint32(b[1]&0x7F)<<7 | uint32(b[2])<<14
		}
	}
	return uint32(c.unsigned(32))
}

func (c *cursor) s32() int32 {
	if p := c.pos; p+3 < len(c.code) {
		b := c.code[p : p+4 : p+4]
		if b[0] < 0x80 {
			c.pos = p + 1
			return int32(b[0]) << 25 >> 25
		}
		if b[1] < 0x80 {
			c.pos = p + 2
			return int32(uint32(b[0]&0x7F)|uint32(b[1])<<7) << 18 >> 18
		}
		if b[2] < 0x80 {
			c.pos = p + 3
			return int32(uint32(b[0]&0x7F)|uint32(b[1]&0x7F)<<7|uint32(b[2])<<14) << 11 >> 11
		}
		if b[3] < 0x80 {
			c.pos = p + 4
			return int32(uint32(b[0]&0x7F)|uint32(b[1]&0x7F)<<7|uint32(b[2]&0x7F)<<14|uint32(b[3])<<21) << 4 >> 4
		}
	}
	return int32(c.signed(32))
}

func (c *cursor) s64() int64 {
	if p := c.pos; p+3 < len(c.code) {
		// The short forms of both widths are the same.
		if b := c.code[p : p+4 : p+4]; b[0] < 0x80 || b[1] < 0x80 || b[2] < 0x80 || b[3] < 0x80 {
			return int64(c.s32())
		}
	}
	return c.signed(64)
}

func (c *cursor) unsigned(width uint) uint64 {
	v, next := uleb(c.code, c.pos, width)
	if next < 0 {
		c.fail(lebMessage(next))
		return 0
	}
	c.pos = next
	return v
}

func (c *cursor) signed(width uint) int64 {
	v, next := sleb(c.code, c.pos, width)
	if next < 0 {
		c.fail(lebMessage(next))
		return 0
	}
	c.pos = next
	return v
}

// count reads the length of a vector whose elements take at least a byte each.
func (c *cursor) count() uint32 {
	n := c.u32()
	if uint64(n) > uint64(len(c.code)-c.pos) {
		c.fail(msgLength)
	}
	return n
}

// fixed reads a little-endian number of 4 or 8 bytes.
func (c *cursor) fixed(size int) uint64 {
	if len(c.code)-c.pos < size {
		c.fail(msgEnd)
		return 0
	}
	b := c.code[c.pos:]
	c.pos += size
	if size == 4 {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// heapType reads a heap type: a type index or one of the single-byte abstract types (specification: Binary Format, Heap Types).
func (c *cursor) heapType() HeapType {
	if c.pos < len(c.code) {
		if b := c.code[c.pos]; b&0xC0 == 0x40 {
			h, ok := abstractHeap(b)
			if !ok {
				c.fail("malformed heap type")
				return 0
			}
			c.pos++
			return h
		}
	}
	start := c.pos
	x := c.signed(33)
	if x < 0 {
		// A negative number of more than one byte.
		c.pos = start
		c.fail("malformed heap type")
		return 0
	}
	return HeapType(min(x, maxTypeIndex))
}

// maxTypeIndex is larger than any type index that a module within the limits has; larger indices are read as this one, which
// the validator reports as unknown.
const maxTypeIndex = 1<<31 - 1

// abstractHeap returns the abstract heap type whose one-byte encoding is b.
// Precondition: b is the encoding of a negative number.
func abstractHeap(b byte) (HeapType, bool) {
	h := HeapType(int8(b<<1) >> 1)
	return h, h >= HeapExn && h <= HeapNoExn
}

// valType reads a value type (specification: Binary Format, Value Types).
func (c *cursor) valType() ValType {
	if t, ok := c.tryValType(); ok {
		return t
	}
	c.fail("malformed value type")
	return 0
}

// tryValType reads a value type if there is one at the position; it records errors within the type only.
func (c *cursor) tryValType() (t ValType, ok bool) {
	if c.pos >= len(c.code) {
		c.fail(msgEnd)
		return 0, true
	}
	b := c.code[c.pos]
	if b&0xC0 != 0x40 {
		return 0, false
	}
	switch {
	case b >= byte(V128):
		t = ValType(b)
	case b == 0x63 || b == 0x64:
		c.pos++
		return RefTo(c.heapType(), b == 0x63), true
	default:
		h, ok := abstractHeap(b)
		if !ok {
			return 0, false
		}
		t = RefTo(h, true)
	}
	c.pos++
	return t, true
}

// refType reads a reference type.
func (c *cursor) refType() ValType {
	start := c.pos
	t, ok := c.tryValType()
	if c.msg == "" && (!ok || !t.IsRef()) {
		c.pos = start
		c.fail("malformed reference type")
	}
	return t
}
