package wasm_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// hostile returns the sections of a module in one.
func hostile(sections ...[]byte) []byte {
	return append([]byte(header), bytes.Join(sections, nil)...)
}

// vector is the binary format's vector of n equal items.
func vector(n int, item ...byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(n)), bytes.Repeat(item, n)...)
}

// entry is an entry of the code section, locals included.
func entry(code ...byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(code))), code...)
}

// voidFuncs are n functions without parameters and results.
func voidFuncs(n int, entry []byte) []byte {
	return hostile(binSection(1, []byte("\x01\x60\x00\x00")), binSection(3, vector(n, 0)), binSection(10, vector(n, entry...)))
}

// allocated runs f and returns how many bytes it allocated.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// fastest returns the shortest of three times that checking a module takes.
func fastest(t *testing.T, bin []byte) time.Duration {
	best := time.Hour
	for range 3 {
		start := time.Now()
		if _, err := check(bin, wasm.NewTypeSpace(), 0); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	return best
}

// TestManyLocals: functions that do no more than declare as many locals as they may cost what their bytes do.
func TestManyLocals(t *testing.T) {
	funcs := func(locals uint64, typ string) []byte {
		code := append(binary.AppendUvarint([]byte{1}, locals), typ...)
		return voidFuncs(10_000, entry(append(code, 0x0B)...))
	}
	for _, typ := range []string{"\x7f", "\x64\x70"} {
		few, many := fastest(t, funcs(1, typ)), fastest(t, funcs(50_000, typ))
		if many > 100*few { // a step for each local would make it several thousand times as much
			t.Errorf("locals of type % x: %v for 50,000 in each function, %v for one", typ, many, few)
		}
	}
}

// TestLocalTypes compares the types of locals, and which of them have no value at the start, to the declarations.
func TestLocalTypes(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	spellings := []string{"i32", "i64", "funcref", "(ref func)", "v128"}
	var v wasm.FuncValidator
	for range 30 {
		var all []string
		var decls [2]strings.Builder
		for range rng.IntN(4) * 100 {
			s := spellings[rng.IntN(len(spellings))]
			all = append(all, s)
			decls[0].WriteString(s + " ")
		}
		params := len(all)
		for range 1 + rng.IntN(12) {
			s := spellings[rng.IntN(len(spellings))]
			for range rng.IntN(150) {
				all = append(all, s)
				decls[1].WriteString(s + " ")
			}
		}
		m := validated(t, wasm.NewTypeSpace(), fmt.Sprintf("(module (func (param %s) (local %s)))", &decls[0], &decls[1]))
		if err := v.Reset(m, 0); err != nil {
			t.Fatal(err)
		}
		if v.NumLocals() != uint64(len(all)) {
			t.Fatalf("%d locals, want %d", v.NumLocals(), len(all))
		}
		get := func(x int) error {
			if err := v.Reset(m, 0); err != nil {
				t.Fatal(err)
			}
			return v.Step(&wasm.Instr{Op: wasm.OpLocalGet, Index: uint32(x)})
		}
		for x, s := range all {
			if got := v.LocalType(uint32(x)).String(); got != s {
				t.Fatalf("local %d is %s, want %s", x, got, s)
			}
			if err := get(x); (err != nil) != (s == "(ref func)" && x >= params) {
				t.Fatalf("local %d of type %s: %v", x, s, err)
			}
		}
		if get(len(all)) == nil {
			t.Fatal("there is a local too many")
		}
	}
}

// TestOperandLimit: what pushes many operands in a few bytes ends at a limit, before they take memory.
func TestOperandLimit(t *testing.T) {
	types := append([]byte("\x02\x60\x00\x00\x60\x00"), vector(1_000, 0x7F)...)
	for name, push := range map[string]string{
		"calls":  "\x10\x00",         // of function 0
		"blocks": "\x02\x01\x00\x0B", // unreachable in each
		"loops":  "\x03\x01\x00\x0B",
	} {
		for _, n := range []int{1_000, 1_001, 100_000} {
			code := append(append([]byte{0}, strings.Repeat(push, n)...), 0x00, 0x0B)
			bodies := bytes.Join([][]byte{{2}, entry(0, 0, 0x0B), entry(code...)}, nil)
			bin := hostile(binSection(1, types), binSection(3, []byte{2, 1, 0}), binSection(10, bodies))
			var m *wasm.Module
			var err error
			used := allocated(func() { m, err = check(bin, wasm.NewTypeSpace(), 0) })
			if n == 1_000 {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			e, ok := err.(*wasm.LimitError)
			if !ok || e.Limit != "operands of a function" || e.Got <= e.Max {
				t.Errorf("%d %s: %v", n, name, err)
				continue
			}
			// The last byte of the 1001st is to blame.
			if want := m.Bodies[1].Offset + uint32(1_001*len(push)); e.Offset < want-uint32(len(push)) || e.Offset >= want {
				t.Errorf("%d %s: offset %#x, want %#x", n, name, e.Offset, want)
			}
			if used > 64<<20 {
				t.Errorf("%d %s: %d bytes allocated", n, name, used)
			}
		}
	}
}

// TestManyFields: instructions that name a type with many fields do not go through them.
func TestManyFields(t *testing.T) {
	module := func(fields int) []byte {
		types := append([]byte("\x02\x60\x00\x00\x5F"), vector(fields, 0x7F, 0)...)
		code := append(append([]byte{0}, bytes.Repeat([]byte{0xFB, 1, 1, 0x1A}, 50_000)...), 0x0B)
		return hostile(binSection(1, types), binSection(3, []byte{1, 0}), binSection(10, append([]byte{1}, entry(code...)...)))
	}
	few, many := fastest(t, module(1)), fastest(t, module(10_000))
	if many > 50*few {
		t.Errorf("struct.new_default of 10,000 fields takes %v, of one %v", many, few)
	}
}

// TestManyExports: exports are found by their name, and functions by theirs, without going through all of them.
func TestManyExports(t *testing.T) {
	const n = 100_000
	exports := binary.AppendUvarint(nil, n)
	for i := range n {
		name := fmt.Sprintf("%05x", i*7919%n)
		exports = append(append(binary.AppendUvarint(exports, uint64(len(name))), name...), 0)
		exports = binary.AppendUvarint(exports, uint64(i))
	}
	bin := hostile(binSection(1, []byte("\x01\x60\x00\x00")), binSection(3, vector(n, 0)), binSection(7, exports),
		binSection(10, vector(n, entry(0, 0x0B)...)))
	m, err := check(bin, wasm.NewTypeSpace(), 0)
	if err != nil {
		t.Fatal(err)
	}
	// Going through all exports would be ten thousand million steps each.
	for i := range n {
		name := fmt.Sprintf("%05x", i*7919%n)
		if x, ok := m.FindExport(name, wasm.ExternFunc); !ok || x != uint32(i) {
			t.Fatalf("export %s is function %d, %v, want %d", name, x, ok, i)
		}
		if got := m.FuncName(uint32(i)); got != name {
			t.Fatalf("function %d is %q, want %q", i, got, name)
		}
	}
	for _, name := range []string{"", "0000", "00000x", "zzz"} {
		if e := m.Export(name); e != nil {
			t.Errorf("there is an export %q: %+v", name, e)
		}
	}
	if _, ok := m.FindExport("00000", wasm.ExternMemory); ok {
		t.Error("a function is found as a memory")
	}
}
