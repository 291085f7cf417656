package wast

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// TestFormatNumber: what is shown reads back to the same bits.
func TestFormatNumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	special := []uint64{0, 1, 1 << 31, 1 << 63, math.MaxUint32, math.MaxUint64, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001,
		0x7FF0 << 48, 0xFFF0 << 48, 0x7FF8 << 48, 0xFFF8<<48 | 1, 0x7FF0<<48 | 1, 0xAB}
	for i := range 2000 {
		lo, hi := r.Uint64()>>r.IntN(64), r.Uint64()>>r.IntN(64)
		if i < len(special) {
			lo = special[i]
		}
		for _, typ := range []spindle.ValueType{spindle.TypeI32, spindle.TypeI64, spindle.TypeF32, spindle.TypeF64, spindle.TypeV128} {
			slots := []uint64{lo, hi}
			if typ == spindle.TypeI32 || typ == spindle.TypeF32 {
				slots[0] = uint64(uint32(lo))
			}
			text := FormatNumber(typ, slots)
			script, err := wat.ParseScript([]byte(`(assert_return (invoke "f") (` + typ.String() + ".const " + text + "))"))
			if err != nil {
				t.Fatalf("%v %#x is shown as %s: %v", typ, slots, text, err)
			}
			got := values{[]spindle.ValueType{typ}, slots[:typ.Slots()]}
			if err := new(runner).matchAll(got, script.Commands[0].Results); err != nil {
				t.Errorf("%v %#x is shown as %s: %v", typ, slots, text, err)
			}
		}
	}
	if s := FormatNumber(spindle.TypeV128, []uint64{0xAB, 0}); s != "i32x4 0x000000ab 0x00000000 0x00000000 0x00000000" {
		t.Errorf("a vector is shown as %s", s)
	}
}
