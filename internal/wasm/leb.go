package wasm

// LEB128 integers (specification: Binary Format, Integers). The functions return the value and the position after it, or one of the negative
// codes below in place of the position.
const (
	lebEnd   = -1 - iota // the bytes end inside of the integer
	lebLong              // more bytes than the type allows
	lebLarge             // bits beyond the type's width that do not extend it
)

// The specification's test suites match messages by prefix, so these keep the reference's words.
const (
	msgEnd      = "unexpected end of section or function"
	msgLebLong  = "integer representation too long"
	msgLebLarge = "integer too large"
	msgLength   = "length out of bounds"
	msgUTF8     = "malformed UTF-8 encoding"
	msgSize     = "section size mismatch"
	msgNoEnd    = "END opcode expected"

	msgDataCount = "data count section required"
)

func lebMessage(code int) string {
	switch code {
	case lebLong:
		return msgLebLong
	case lebLarge:
		return msgLebLarge
	}
	return msgEnd
}

// uleb reads an unsigned integer of the given width, 32 or 64.
func uleb(b []byte, p int, width uint) (uint64, int) {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		if shift >= width {
			return 0, lebLong
		}
		if p >= len(b) {
			return 0, lebEnd
		}
		c := b[p]
		p++
		if rest := width - shift; rest < 7 && c&0x7F>>rest != 0 {
			return 0, lebLarge
		}
		v |= uint64(c&0x7F) << shift
		if c < 0x80 {
			return v, p
		}
	}
}

// sleb reads a signed integer of the given width: 32, 33 or 64.
func sleb(b []byte, p int, width uint) (int64, int) {
	var v int64
	for shift := uint(0); ; shift += 7 {
		if shift >= width {
			return 0, lebLong
		}
		if p >= len(b) {
			return 0, lebEnd
		}
		c := b[p]
		p++
		if rest := width - shift; rest < 7 {
			// The sign bit and everything above it must agree.
			mask := byte(0x7F) << (rest - 1) & 0x7F
			if high := c & mask; high != 0 && high != mask {
				return 0, lebLarge
			}
		}
		v |= int64(c&0x7F) << shift
		if c < 0x80 {
			if c&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return v, p
		}
	}
}
