package modgen_test

import (
	"testing"

	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestReduce: of a module in which one instruction matters little more than that instruction is left.
func TestReduce(t *testing.T) {
	ts := wasm.NewTypeSpace()
	reduced := 0
	for seed := range 40 {
		b := modgen.Generate(modgen.Seed(uint64(seed)), modgen.Config{Features: wasm.AllFeatures, MaxInstrs: 100})
		count := func(b []byte) (popcnts, all int) {
			m, err := validate(b, wasm.AllFeatures, ts)
			if err != nil {
				t.Fatal(seed, err)
			}
			eachInstr(t, m, func(_ int, in *wasm.Instr) {
				all++
				if in.Op == wasm.OpI32Popcnt {
					popcnts++
				}
			})
			return popcnts, all
		}
		if n, _ := count(b); n == 0 {
			continue
		}
		small := modgen.Reduce(b, func(b []byte) bool { n, _ := count(b); return n > 0 })
		n, all := count(small)
		m, err := validate(small, wasm.AllFeatures, ts)
		if err != nil {
			t.Fatal(seed, err)
		}
		// Each body keeps an unreachable and an end; the one that matters keeps the instruction, and a drop or less.
		if n != 1 || all > 2*len(m.Bodies)+4 || len(m.Exports) > 0 {
			t.Errorf("seed %d: %d instructions in %d bodies and %d exports are left", seed, all, len(m.Bodies), len(m.Exports))
		}
		reduced++
	}
	if reduced == 0 {
		t.Error("no module to reduce")
	}
}
