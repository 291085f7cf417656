package vm_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

func validated(t testing.TB, b []byte) *wasm.Module {
	t.Helper()
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err == nil {
		err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// In what a C compiler makes, entries and exits of functions are plain to see: the ones make room, the others do not.
func TestPointerSetsOfCompiledCode(t *testing.T) {
	files, err := filepath.Glob("../../guest/pthread/tests/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatal("no modules", err)
	}
	entries, exits, others := 0, 0, 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := validated(t, b)
		sp, ok := vm.FindStackPointer(m)
		if !ok {
			t.Errorf("%s: no stack pointer", file)
			continue
		}
		for i := range m.Bodies {
			fn := uint32(m.NumImportedFuncs + i)
			sets := vm.PointerSets(m, fn, sp)
			var r wasm.InstrReader
			var in wasm.Instr
			var before []wasm.Instr // the last instructions
			last := func(ops ...wasm.Opcode) bool {
				n := len(before) - len(ops)
				return n >= 0 && slices.EqualFunc(before[n:], ops, func(in wasm.Instr, op wasm.Opcode) bool { return in.Op == op })
			}
			at := func(n int) wasm.Instr { return before[len(before)-n] }
			for r.Reset(m.Bodies[i].Code, m.Bodies[i].Offset); r.More(); {
				if err := r.Next(&in); err != nil {
					t.Fatal(err)
				}
				if in.Op == wasm.OpGlobalSet && in.Index == sp {
					if len(sets) == 0 || sets[0].Offset != in.Offset {
						t.Fatalf("%s: func %d: no set at %#x, but %v", file, fn, in.Offset, sets)
					}
					alloc := sets[0].Alloc
					sets = sets[1:]
					switch {
					case last(wasm.OpGlobalGet, wasm.OpI32Const, wasm.OpI32Sub, wasm.OpLocalTee) && at(4).Index == sp && int32(at(3).Value) > 0:
						if entries++; !alloc {
							t.Errorf("%s: func %d: an entry at %#x", file, fn, in.Offset)
						}
					case last(wasm.OpLocalGet, wasm.OpI32Const, wasm.OpI32Add) && int32(at(2).Value) > 0, last(wasm.OpI32Load):
						if exits++; alloc {
							t.Errorf("%s: func %d: an exit at %#x", file, fn, in.Offset)
						}
					default:
						others++
					}
				}
				before = append(before, in)
			}
			if len(sets) != 0 {
				t.Errorf("%s: func %d: %d sets too many", file, fn, len(sets))
			}
		}
	}
	if entries < 100 || exits < 100 {
		t.Errorf("%d entries, %d exits, %d others", entries, exits, others)
	}
}

// Whatever the code, each set of each global is found, once and in order.
func TestPointerSetsOfAnyCode(t *testing.T) {
	sets, allocs := 0, 0
	for seed := range uint64(150) {
		m := validated(t, modgen.Generate(modgen.Seed(seed), modgen.Config{Features: wasm.AllFeatures}))
		for g := range m.Globals {
			if !m.Globals[g].Type.Mutable {
				continue
			}
			for i := range m.Bodies {
				var want []uint32
				var r wasm.InstrReader
				var in wasm.Instr
				for r.Reset(m.Bodies[i].Code, m.Bodies[i].Offset); r.More(); {
					if err := r.Next(&in); err != nil {
						t.Fatal(err)
					}
					if in.Op == wasm.OpGlobalSet && in.Index == uint32(g) {
						want = append(want, in.Offset)
					}
				}
				var got []uint32
				for _, s := range vm.PointerSets(m, uint32(m.NumImportedFuncs+i), uint32(g)) {
					got = append(got, s.Offset)
					if sets++; s.Alloc {
						allocs++
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d, func %d, global %d: %v, want %v", seed, i, g, got, want)
				}
			}
		}
	}
	if sets < 1000 {
		t.Errorf("only %d sets, %d of them make room", sets, allocs)
	}
}

// FuzzCStack looks for the C stack in any module, and follows all functions that set its pointer.
func FuzzCStack(f *testing.F) {
	files, err := filepath.Glob("../../testdata/cstack/*.wat")
	if err != nil || len(files) == 0 {
		f.Fatal("no modules", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if each, ok := strings.CutPrefix(line, ";; each: "); ok {
				bin, err := wat.Assemble([]byte(strings.ReplaceAll(string(text), "(;EACH;)", each)), wat.Options{})
				if err != nil {
					f.Fatal(file, err)
				}
				f.Add(bin)
			}
		}
	}
	ts := wasm.NewTypeSpace()
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
		if err != nil || wasm.Validate(m, ts, wasm.ValidateOptions{}) != nil {
			return
		}
		s := m.CStack()
		if s.SetLimits >= int64(len(m.Funcs)) || s.SetLimits < -1 {
			t.Fatalf("%+v", s)
		}
		if !s.Known {
			return
		}
		addr := wasm.I32
		if m.Memories[0].Is64 {
			addr = wasm.I64
		}
		if g := m.Globals[s.Pointer].Type; !g.Mutable || g.Type != addr || s.High != 0 && s.Low >= s.High {
			t.Fatalf("%+v", s)
		}
		for i := range m.Bodies {
			vm.PointerSets(m, uint32(m.NumImportedFuncs+i), s.Pointer)
		}
	})
}
