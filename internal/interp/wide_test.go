package interp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// TestWideIndices has indices, addresses and lengths of 64 bits whose low 32 bits would do, and sums that would wrap around.
func TestWideIndices(t *testing.T) {
	w := newWorld(t, 0)
	m := w.instance("m", `(module
		(type $t (func (result i32)))
		(table $t i64 10 funcref) (table $s 10 funcref)
		(memory $m i64 1) (memory $n 1)
		(data $d "abcdefgh") (elem $e func $f $f $f)
		(func $f (type $t) (i32.const 7))
		(func (export "get") (param i64) (drop (table.get $t (local.get 0))))
		(func (export "set") (param i64) (table.set $t (local.get 0) (ref.func $f)))
		(func (export "call") (param i64) (drop (call_indirect $t (type $t) (local.get 0))))
		(func (export "tail") (param i64) (result i32) (return_call_indirect $t (type $t) (local.get 0)))
		(func (export "grow") (param i64) (result i64) (table.grow $t (ref.null func) (local.get 0)))
		(func (export "tfill") (param i64 i64) (table.fill $t (local.get 0) (ref.func $f) (local.get 1)))
		(func (export "tcopy") (param i64 i64 i64) (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))
		(func (export "tcopyto") (param i64 i32 i32) (table.copy $t $s (local.get 0) (local.get 1) (local.get 2)))
		(func (export "tcopyfrom") (param i32 i64 i32) (table.copy $s $t (local.get 0) (local.get 1) (local.get 2)))
		(func (export "tinit") (param i64) (table.init $t $e (local.get 0) (i32.const 0) (i32.const 2)))
		(func (export "mgrow") (param i64) (result i64) (memory.grow $m (local.get 0)))
		(func (export "mfill") (param i64 i64) (memory.fill $m (local.get 0) (i32.const 1) (local.get 1)))
		(func (export "mcopy") (param i64 i64 i64) (memory.copy $m $m (local.get 0) (local.get 1) (local.get 2)))
		(func (export "mcopyto") (param i64 i32 i32) (memory.copy $m $n (local.get 0) (local.get 1) (local.get 2)))
		(func (export "mcopyfrom") (param i32 i64 i32) (memory.copy $n $m (local.get 0) (local.get 1) (local.get 2)))
		(func (export "minit") (param i64) (memory.init $m $d (local.get 0) (i32.const 0) (i32.const 8)))
		(func (export "load") (param i64) (drop (i64.load $m (local.get 0))))
		(func (export "loadoff") (param i64) (drop (i32.load8_u $m offset=16 (local.get 0))))
		(func (export "loadfar") (param i64) (drop (i32.load8_u $m offset=0xfffffffffffffff8 (local.get 0))))
		(func (export "store") (param i64) (i64.store $m (local.get 0) (i64.const 1)))
		(func (export "vload") (param i64) (drop (v128.load $m offset=8 (local.get 0))))
		(func (export "atomic") (param i64) (drop (i64.atomic.rmw.add $m offset=8 (local.get 0) (i64.const 1)))))`)
	const wide = 1 << 32
	// Arguments that are right, and then which of them may be made wrong by adding 2^32 or more.
	for name, c := range map[string]struct {
		args []uint64
		wide []int
		trap vm.TrapCode
	}{
		"set": {[]uint64{0}, []int{0}, vm.TrapTableOutOfBounds}, "get": {[]uint64{0}, []int{0}, vm.TrapTableOutOfBounds},
		"tfill": {[]uint64{0, 4}, []int{0, 1}, vm.TrapTableOutOfBounds}, "tcopy": {[]uint64{4, 0, 3}, []int{0, 1, 2}, vm.TrapTableOutOfBounds},
		"tcopyto": {[]uint64{8, 0, 1}, []int{0}, vm.TrapTableOutOfBounds}, "tcopyfrom": {[]uint64{0, 1, 1}, []int{1}, vm.TrapTableOutOfBounds},
		"tinit": {[]uint64{3}, []int{0}, vm.TrapTableOutOfBounds},
		"mfill": {[]uint64{0, 4}, []int{0, 1}, vm.TrapMemoryOutOfBounds}, "mcopy": {[]uint64{4, 0, 3}, []int{0, 1, 2}, vm.TrapMemoryOutOfBounds},
		"mcopyto": {[]uint64{8, 0, 1}, []int{0}, vm.TrapMemoryOutOfBounds}, "mcopyfrom": {[]uint64{0, 1, 1}, []int{1}, vm.TrapMemoryOutOfBounds},
		"minit": {[]uint64{3}, []int{0}, vm.TrapMemoryOutOfBounds}, "load": {[]uint64{65528}, []int{0}, vm.TrapMemoryOutOfBounds},
		"loadoff": {[]uint64{100}, []int{0}, vm.TrapMemoryOutOfBounds}, "store": {[]uint64{100}, []int{0}, vm.TrapMemoryOutOfBounds},
		"vload": {[]uint64{100}, []int{0}, vm.TrapMemoryOutOfBounds}, "atomic": {[]uint64{128}, []int{0}, vm.TrapMemoryOutOfBounds},
	} {
		if _, err := w.call(m, name, c.args...); err != nil {
			t.Errorf("%s%d: %v", name, c.args, err)
		}
		for _, i := range c.wide {
			for _, more := range []uint64{wide, 1 << 40, 1 << 63, -c.args[i] - 8, -c.args[i] - 16} {
				args := append([]uint64(nil), c.args...)
				args[i] += more
				w.wantTrap(m, c.trap, name, args...)
			}
		}
	}
	// Lengths of copies between widths are of 32 bits, whatever lies in the upper half of the slot.
	for _, name := range []string{"tcopyto", "mcopyto", "tcopyfrom", "mcopyfrom"} {
		if _, err := w.call(m, name, 0, 0, 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.call(m, "set", 0); err != nil {
		t.Fatal(err)
	}
	for i, want := range []vm.TrapCode{0, vm.TrapUndefinedElement, vm.TrapUndefinedElement} {
		for _, name := range []string{"call", "tail"} {
			at := []uint64{0, wide, 1 << 63}[i]
			if want == 0 {
				if _, err := w.call(m, name, at); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else {
				w.wantTrap(m, want, name, at)
			}
		}
	}
	for _, delta := range []uint64{wide, wide + 1, 1 << 63, ^uint64(0), ^uint64(8), 1<<48 - 1} {
		w.want(m, ^uint64(0), "grow", delta)
		w.want(m, ^uint64(0), "mgrow", delta)
	}
	// The offset makes the sum wrap around to a place that exists: that is out of bounds all the same.
	for _, at := range []uint64{0, 7, 8, 9, 100} {
		w.wantTrap(m, vm.TrapMemoryOutOfBounds, "loadfar", at)
	}
}

// TestNearTheEnd has 32-bit addresses with offsets whose sum passes 2^32, in every form of an access: no sum wraps around.
func TestNearTheEnd(t *testing.T) {
	w := newWorld(t, 0)
	n := 0
	for _, offset := range []string{"", "offset=8", "offset=0xfffffff8", "offset=0xffffffff"} {
		for _, addr := range []string{
			"(local.get 0)", "(block (result i32) (local.get 0))", "(i32.const -4)", "(i32.add (local.get 0) (i32.const 0))", "(i32.add (local.get 0) (local.get 1))",
			"(i32.add (block (result i32) (local.get 0)) (i32.shl (local.get 1) (i32.const 3)))",
		} {
			var body strings.Builder
			accesses := []string{
				"(drop (i32.load8_u OFF ADDR))", "(drop (i32.load OFF ADDR))", "(drop (i64.load OFF ADDR))", "(drop (i64.load16_s OFF ADDR))", "(drop (v128.load OFF ADDR))",
				"(i32.store8 OFF ADDR (local.get 1))", "(i64.store OFF ADDR (i64.const 5))", "(f64.store OFF ADDR (f64.const 0.1))", "(v128.store OFF ADDR (v128.const i64x2 1 2))",
				"(i32.store OFF ADDR (i32.load (i32.const 8)))", "(i32.store (i32.const 8) (i32.load OFF ADDR))", "(drop (i32.add (local.get 1) (i32.load OFF ADDR)))",
				"(block (br_if 0 (i32.load OFF ADDR)))", "(block (br_if 0 (i32.eq (i32.load8_u OFF ADDR) (i32.const 3))))", "(block (block (br_table 0 1 (i32.load8_u OFF ADDR))))",
				"(drop (v128.load8_lane OFF 3 ADDR (v128.const i64x2 1 2)))", "(v128.store64_lane OFF 1 ADDR (v128.const i64x2 1 2))",
				"(drop (i32.atomic.rmw8.add_u OFF ADDR (i32.const 1)))",
			}
			for i, a := range accesses {
				fmt.Fprintf(&body, "(func (export \"f%d\") (param i32 i32) %s)\n", i, strings.NewReplacer("OFF", offset, "ADDR", addr).Replace(a))
			}
			n++
			inst := w.instance(fmt.Sprint(n), "(module (memory 1) "+body.String()+")")
			for i := range accesses {
				for _, at := range []uint64{0xFFFFFFFC, 0xFFFFFFFF, 0xFFFFFFF8} {
					w.wantTrap(inst, vm.TrapMemoryOutOfBounds, fmt.Sprint("f", i), at, 0)
				}
			}
			if t.Failed() {
				t.Fatalf("address %s %s", addr, offset)
			}
		}
	}
}

// TestLastBytes has every form of an access at every place near the end of memory: it traps exactly if a byte of it lies beyond.
func TestLastBytes(t *testing.T) {
	w := newWorld(t, 0)
	forms := []string{
		"(local.get 0)", "(block (result i32) (local.get 0))", "(i32.const AT)", "(i32.add (local.get 0) (i32.const 0))", "(i32.add (i32.sub (local.get 0) (i32.const 7)) (i32.const 7))",
		"(i32.add (i32.sub (local.get 0) (local.get 1)) (local.get 1))", "(i32.add (i32.and (local.get 0) (i32.const 7)) (i32.shl (i32.shr_u (local.get 0) (i32.const 3)) (i32.const 3)))",
	}
	accesses := []struct {
		text string
		size uint64
	}{
		{"(drop (i32.load8_u ADDR))", 1}, {"(drop (i32.load8_s ADDR))", 1}, {"(drop (i64.load8_s ADDR))", 1}, {"(drop (i32.load16_u ADDR))", 2}, {"(drop (i32.load16_s ADDR))", 2},
		{"(drop (i64.load16_s ADDR))", 2}, {"(drop (i32.load ADDR))", 4}, {"(drop (i64.load32_s ADDR))", 4}, {"(drop (i64.load ADDR))", 8}, {"(drop (v128.load ADDR))", 16},
		{"(i32.store8 ADDR (local.get 1))", 1}, {"(i32.store16 ADDR (local.get 1))", 2}, {"(i32.store ADDR (local.get 1))", 4}, {"(i64.store ADDR (local.get 2))", 8},
		{"(i32.store8 ADDR (i32.const 1))", 1}, {"(i32.store16 ADDR (i32.const 1))", 2}, {"(i32.store ADDR (i32.const 1))", 4}, {"(i64.store ADDR (i64.const 1))", 8},
		{"(v128.store ADDR (v128.const i64x2 1 2))", 16}, {"(i32.store ADDR (i32.load (i32.const 8)))", 4}, {"(i64.store ADDR (i64.load (i32.const 8)))", 8},
		{"(i32.store (local.get 1) (i32.load ADDR))", 4}, {"(i64.store (local.get 1) (i64.load ADDR))", 8},
		{"(drop (i32.add (local.get 1) (i32.load ADDR)))", 4}, {"(drop (i64.xor (local.get 2) (i64.load ADDR)))", 8}, {"(drop (f32.mul (f32.load (i32.const 0)) (f32.load ADDR)))", 4},
		{"(block (br_if 0 (i32.load ADDR)))", 4}, {"(block (br_if 0 (i32.eqz (i32.load8_u ADDR))))", 1}, {"(block (block (br_table 0 1 (i32.load8_u ADDR))))", 1},
		{"(local.set 2 (i64.load (i32.const 0))) (local.set 3 (i64.load ADDR)) (nop)", 8}, {"(i64.store (i32.const 0) (local.get 2)) (i64.store ADDR (local.get 2)) (nop)", 8},
		{"(drop (v128.load8x8_s ADDR))", 8}, {"(drop (v128.load32_splat ADDR))", 4}, {"(drop (v128.load64_zero ADDR))", 8},
		{"(drop (v128.load16_lane 5 ADDR (v128.const i64x2 1 2)))", 2}, {"(v128.store64_lane 1 ADDR (v128.const i64x2 1 2))", 8},
	}
	const end = 65536
	for n, form := range forms {
		for at := uint64(end - 18); at < end+2; at++ {
			if !strings.Contains(form, "AT") && at > end-18 {
				break // one module for all addresses
			}
			addr := strings.ReplaceAll(form, "AT", fmt.Sprint(at))
			var src strings.Builder
			for i, a := range accesses {
				fmt.Fprintf(&src, "(func (export \"f%d\") (param i32 i32 i64 i64) %s)\n", i, strings.ReplaceAll(a.text, "ADDR", addr))
			}
			inst := w.instance(fmt.Sprint("l", n, "_", at), "(module (memory 1) "+src.String()+")")
			for i, a := range accesses {
				for place := uint64(end - 18); place < end+2; place++ {
					if strings.Contains(form, "AT") && place != at {
						continue
					}
					_, err := w.call(inst, fmt.Sprint("f", i), place, 24, 5, 0)
					if want := place+a.size > end; want != (err != nil) {
						t.Errorf("%s with %s at the end%+d: %v", a.text, form, int64(place)-end, err)
					}
				}
			}
		}
	}
}
