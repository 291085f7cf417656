package interp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Each way to lower a stack pointer traps exactly where it overruns, in both lowerings, and otherwise does what it says.
func TestStackPointer(t *testing.T) {
	const low, high = 1088, 2112
	module := `(module (memory 1) (data (i32.const %[4]d) "data") (data (i32.const 1084) "ends")
		(global $%[1]s (export "sp") (mut i32) (i32.const 2112)) (global $other (mut i32) (i32.const 2112))
		(func (export "const") (result i32) (local $f i32)
			(global.set 0 (local.tee $f (i32.sub (global.get 0) (i32.const %[2]d)))) (local.get $f))
		(func (export "add") (result i32)
			(global.set 0 (i32.add (i32.const %[3]d) (global.get 0))) (global.get 0))
		(func (export "saved") (result i32) (local $old i32) (local $f i32)
			(local.set $old (global.get 0)) (nop) (drop (i32.load8_u (i32.const 0)))
			(global.set 0 (local.tee $f (i32.sub (local.get $old) (i32.const %[2]d)))) (local.get $f))
		(func (export "later") (result i32) (local $f i32)
			(local.set $f (i32.sub (global.get 0) (i32.const %[2]d))) (drop (i32.load8_u (i32.const 0)))
			(global.set 0 (local.get $f)) (local.get $f))
		(func (export "any") (param $n i32) (result i32)
			(global.set 0 (i32.sub (global.get 0) (local.get $n))) (global.get 0))
		(func (export "two") (result i32) (local $f i32) ;; another global in between
			(global.set $other (i32.sub (global.get $other) (i32.const %[2]d)))
			(global.set 0 (local.tee $f (i32.sub (global.get 0) (i32.const %[2]d))))
			(global.set $other (i32.add (global.get $other) (i32.const %[2]d)))
			(if (i32.ne (global.get $other) (i32.const 2112)) (then unreachable))
			(local.get $f)))`
	for _, plain := range []bool{false, true} {
		for name, data := range map[string]int{"__stack_pointer": 1024, "another": 1000} { // not where wasm-ld puts it, so that nothing tells that it is one
			for _, n := range []int32{16, 48, 1008, 1024, 1040, 4096, 65536, 1<<31 - 16, -16, 0} {
				w := newWorld(t, 0)
				w.engine.plain = plain
				inst := w.instance("m", fmt.Sprintf(module, name, n, -n, data))
				sp, _ := inst.Export("sp")
				for _, f := range []string{"const", "add", "saved", "later", "any", "two"} {
					for _, from := range []uint32{high, high - 1024, high - 1008, 1500, low - 16, 16, 0, high + 16, 40000} {
						sp.Global.Set(uint64(from), 0)
						slots := []uint64{uint64(uint32(n))}
						if f != "any" {
							slots = nil
						}
						got, err := w.call(inst, f, slots...)
						what := fmt.Sprintf("%s %s: %d - %d, plain %v", name, f, from, n, plain)
						if name[0] == '_' && n > 0 && low <= from && from <= high && int64(from)-int64(n) < low {
							if trap, ok := err.(*vm.TrapError); !ok || trap.Code != vm.TrapStackOverrun { //nolint:errorlint // as it is
								t.Errorf("%s: %v, want an overrun", what, err)
							}
							if v, _ := sp.Global.Get(); v != uint64(from) {
								t.Errorf("%s: the stack pointer has become %d", what, v)
							}
							if f == "two" { // start again with the other global
								x := inst.Global(1)
								x.Set(high, 0)
							}
							continue
						}
						want := uint64(from - uint32(n))
						if v, _ := sp.Global.Get(); err != nil || v != want || got[0] != want {
							t.Errorf("%s: %v, %v, stack pointer %d", what, got, err, v)
						}
					}
				}
			}
		}
	}
}

// A function's entry is one instruction.
func TestStackPointerEntry(t *testing.T) {
	code := dump(lowered(t, `(module (memory 1) (global $__stack_pointer (mut i32) (i32.const 1024))
		(func (local $f i32)
			(global.set 0 (local.tee $f (i32.sub (global.get 0) (i32.const 32))))
			(i32.store (local.get $f) (i32.const 1))
			(global.set 0 (i32.add (local.get $f) (i32.const 32)))))`, 0))
	if strings.Count(code, "\n") != 4 || !strings.Contains(code, "SPEnter") {
		t.Errorf("not what it was:\n%s", code)
	}
}
