package interp

import (
	"fmt"
	"testing"
)

// TestConstantBesideIndex stores constants at sums whose second term was computed on the stack: in the slot where the constant would go.
func TestConstantBesideIndex(t *testing.T) {
	w := newWorld(t, 0)
	n := 0
	for _, store := range []struct {
		op, konst string
		mask      uint32
	}{
		{"i32.store8", "(i32.const 93)", 0xff}, {"i32.store16", "(i32.const 93)", 0xffff}, {"i32.store", "(i32.const 93)", 0xffffffff},
		{"i64.store8", "(i64.const 93)", 0xff}, {"i64.store", "(i64.const 93)", 0xffffffff}, {"i64.store", "(i64.const 0x5d0000005d)", 0xffffffff},
		{"f32.store", "(f32.const 0x1.74p-143)", 0xffffffff},
	} {
		for _, addr := range []string{
			"(i32.add (local.get $a) (i32.load offset=16 (local.get $b)))",
			"(i32.add (i32.load offset=16 (local.get $b)) (local.get $a))",
			"(i32.add (local.get $a) (i32.shl (i32.load offset=20 (local.get $b)) (i32.const 2)))",
			"(i32.add (i32.load offset=16 (local.get $b)) (i32.load offset=24 (local.get $b)))",
		} {
			n++
			inst := w.instance(fmt.Sprint(n), `(module (memory 1) (data (i32.const 16) "\80\00\00\00\20\00\00\00\28\00\00\00")
				(func (export "f") (param $a i32) (param $b i32) (result i32)
					(`+store.op+` `+addr+` `+store.konst+`)
					(i32.and (i32.load (i32.const 168)) (i32.const `+fmt.Sprint(store.mask)+`))))`)
			w.want(inst, 93, "f", 40, 0)
		}
	}
}
