package wasm

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// pad lengthens an encoding without changing its value, sign being the payload of the padding.
func pad(b []byte, n int, sign byte) []byte {
	out := append([]byte(nil), b...)
	for len(out) < n {
		out[len(out)-1] |= 0x80
		out = append(out, sign)
	}
	return out
}

func TestLEBUnsigned(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		v := rng.Uint64() >> rng.UintN(64)
		b := binary.AppendUvarint(nil, v)
		if got, n := uleb(b, 0, 64); got != v || n != len(b) {
			t.Fatalf("uleb(% x) = %d, %d, want %d", b, got, n, v)
		}
		if long := pad(b, len(b)+rng.IntN(11-len(b)), 0); len(long) <= 10 {
			if got, n := uleb(long, 0, 64); got != v || n != len(long) {
				t.Fatalf("uleb(% x) = %d, %d, want %d", long, got, n, v)
			}
		}
		for _, width := range []uint{32, 64} {
			if _, n := uleb(b, 0, width); (n >= 0) != (width == 64 || v>>width == 0) {
				t.Fatalf("uleb(% x, %d) ends at %d", b, width, n)
			}
		}
		c := cursor{code: append(append([]byte(nil), b...), 0, 0, 0)}
		if got := c.u32(); v>>32 == 0 && (uint64(got) != v || c.pos != len(b)) || v>>32 != 0 && c.msg == "" {
			t.Fatalf("u32(% x) = %d at %d: %s", b, got, c.pos, c.msg)
		}
		for cut := range b {
			if _, n := uleb(b[:cut], 0, 64); n != lebEnd {
				t.Fatalf("uleb(% x) ends at %d", b[:cut], n)
			}
		}
	}
}

func TestLEBSigned(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		v := int64(rng.Uint64()) >> rng.UintN(64)
		b := AppendSigned(nil, v)
		if got, n := sleb(b, 0, 64); got != v || n != len(b) {
			t.Fatalf("sleb(% x) = %d, %d, want %d", b, got, n, v)
		}
		sign := byte(0)
		if v < 0 {
			sign = 0x7F
		}
		long := pad(b, len(b)+rng.IntN(11-len(b)), sign)
		if got, n := sleb(long, 0, 64); got != v || n != len(long) {
			t.Fatalf("sleb(% x) = %d, %d, want %d", long, got, n, v)
		}
		for _, width := range []uint{32, 33} {
			fits := v >= -1<<(width-1) && v < 1<<(width-1)
			if got, n := sleb(b, 0, width); fits != (n == len(b)) || fits && got != v {
				t.Fatalf("sleb(% x, %d) = %d, %d", b, width, got, n)
			}
		}
		c := cursor{code: append(append([]byte(nil), b...), 0, 0, 0)}
		if got := c.s32(); v == int64(int32(v)) && (int64(got) != v || c.pos != len(b)) || v != int64(int32(v)) && c.msg == "" {
			t.Fatalf("s32(% x) = %d at %d: %s", b, got, c.pos, c.msg)
		}
	}
}

func TestLEBMessages(t *testing.T) {
	for _, c := range []struct {
		bytes []byte
		width uint
		want  int
	}{
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 32, lebLong},
		{[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0x1F}, 32, lebLarge},
		{[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0x8F, 0x00}, 32, lebLong},
		{[]byte{0xFF}, 32, lebEnd},
		{[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02}, 64, lebLarge},
	} {
		if _, got := uleb(c.bytes, 0, c.width); got != c.want {
			t.Errorf("uleb(% x, %d) gives %d, want %d", c.bytes, c.width, got, c.want)
		}
	}
	for _, c := range []struct {
		bytes []byte
		width uint
		want  int
	}{
		{[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0x0F}, 32, lebLarge}, // the bits above the sign do not repeat it
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x70}, 32, lebLarge},
		{[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, 32, lebLong},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x78}, 32, 5}, // the least i32
	} {
		if _, got := sleb(c.bytes, 0, c.width); got != c.want {
			t.Errorf("sleb(% x, %d) gives %d, want %d", c.bytes, c.width, got, c.want)
		}
	}
}

// TestReaderTotal: any two bytes followed by anything give an instruction of the table or a typed error, and the reader moves.
func TestReaderTotal(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	code := make([]byte, 40)
	var r InstrReader
	var in Instr
	seen := map[Opcode]bool{}
	for first := range 256 {
		for second := range 256 {
			for i := range code {
				code[i] = byte(rng.Uint32())
			}
			code[0], code[1] = byte(first), byte(second)
			r.Reset(code, 100)
			if err := r.Next(&in); err != nil {
				switch err.(type) {
				case *MalformedError, *FeatureError:
				default:
					t.Fatalf("% x: %T", code, err)
				}
				continue
			}
			if in.Op.String() == "" || r.Pos() == 0 || r.Pos() > len(code) || in.Offset != 100 {
				t.Fatalf("% x: opcode %#x read up to %d", code, in.Op, r.Pos())
			}
			seen[in.Op] = true
		}
	}
	// Immediates that few random bytes fit keep some instructions from being read here; one-byte opcodes without are all seen.
	for op := range Opcode(NumOpcodes) {
		if info := op.Info(); info.Name != "" && info.Imm == ImmNone && op.Sub() < 0x80 && !seen[op] {
			t.Errorf("%s (%#x) was never read", op, op)
		}
	}
}

func TestReaderLegacy(t *testing.T) {
	var r InstrReader
	var in Instr
	for op, name := range legacyNames {
		r.Reset([]byte{op, 0x40}, 7)
		err, ok := r.Next(&in).(*FeatureError)
		if !ok || err.What != name || err.Offset != 7 || err.Feature != "legacy-exceptions" {
			t.Errorf("%#x: %v", op, err)
		}
	}
}

// TestReaderPlaces: an error points to the immediate that is malformed, not behind it.
func TestReaderPlaces(t *testing.T) {
	var r InstrReader
	var in Instr
	for _, c := range []struct {
		code string
		at   uint32
		msg  string
	}{
		{"\x02\xFF\x7F\x0B", 1, "malformed block type"},
		{"\x02\x41\x0B", 1, "malformed value type"},
		{"\x02\x64\x41\x0B", 2, "malformed heap type"},
		{"\x1F\x40\x01\x04\x00", 3, "malformed catch clause"},
		{"\x28\x80\x01\x00", 1, "malformed memop flags"},
		{"\x28\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 2, msgLebLarge},
		{"\x0E\x7F\x00", 2, msgLength},
		{"\xFB\x18\x04\x00\x00\x00", 2, "malformed br_on_cast flags"},
		{"\xFE\x03\x01", 2, "zero byte expected"},
		{"\x41\xFF\xFF\xFF\xFF\x0F", 1, msgLebLarge},
		{"\xD0\x41", 1, "malformed heap type"},
		{"\xFC\x7F", 0, "illegal opcode fc 7f"},
		{"\x43\x00\x00", 1, msgEnd},
	} {
		r.Reset([]byte(c.code), 100)
		err, ok := r.Next(&in).(*MalformedError)
		if !ok || err.Offset != 100+c.at || err.Msg != c.msg || err.Func != -1 {
			t.Errorf("% x: %+v, want %q at %d", c.code, err, c.msg, 100+c.at)
		}
	}
}
