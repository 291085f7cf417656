package wasm_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

var update = flag.Bool("update", false, "rewrite golden files")

// trace lists, for each instruction of a body, what the typed view shows before it.
func trace(t *testing.T, m *wasm.Module, fn uint32) string {
	var v wasm.FuncValidator
	var r wasm.InstrReader
	var in wasm.Instr
	var out strings.Builder
	if err := v.Reset(m, fn); err != nil {
		t.Fatal(err)
	}
	var locals []wasm.ValType
	for i := range v.NumLocals() {
		locals = append(locals, v.LocalType(uint32(i)))
	}
	fmt.Fprintf(&out, "func %s %v\n", m.FuncName(fn), locals)
	body := m.Bodies[int(fn)-m.NumImportedFuncs]
	r.Reset(body.Code, body.Offset)
	for r.More() {
		if err := r.Next(&in); err != nil {
			t.Fatal(err)
		}
		var stack []string
		for d := range v.Height() {
			stack = append(stack, v.TypeAt(d).String())
		}
		var labels []string
		for d := range v.NumLabels() {
			l := v.Label(uint32(d))
			name := l.Op.String()
			if l.Op == wasm.LabelFunction {
				name = "function"
			}
			labels = append(labels, fmt.Sprintf("%s@%d%v", name, l.Height, l.Targets()))
		}
		dead := ""
		if v.Unreachable() {
			dead = " unreachable"
		}
		fmt.Fprintf(&out, "  %-16s stack(top first) %v labels %v%s\n", in.Op, stack, labels, dead)
		if err := v.Step(&in); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintf(&out, "  done=%v height=%d\n", v.Done(), v.Height())
	return out.String()
}

func TestViewGolden(t *testing.T) {
	src, err := os.ReadFile("testdata/view.wat")
	if err != nil {
		t.Fatal(err)
	}
	m := validated(t, wasm.NewTypeSpace(), string(src))
	var got strings.Builder
	for i := range m.Bodies {
		got.WriteString(trace(t, m, uint32(m.NumImportedFuncs+i)))
	}
	golden := filepath.Join("testdata", "view.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the view has changed (-update to accept it):\n%s", got.String())
	}
}

// TestViewInvariants runs the view over every body of the official suites and compares it to what the instruction table says.
func TestViewInvariants(t *testing.T) {
	kinds := map[byte]wasm.ValType{'i': wasm.I32, 'I': wasm.I64, 'f': wasm.F32, 'F': wasm.F64, 'v': wasm.V128}
	ts := wasm.NewTypeSpace()
	var v wasm.FuncValidator
	var r wasm.InstrReader
	var in wasm.Instr
	steps := 0
	suiteModules(t, func(where string, off wasm.Features, c wat.Command, bin []byte) {
		m, err := check(bin, ts, off)
		if err != nil {
			return
		}
		for i, body := range m.Bodies {
			fn := uint32(m.NumImportedFuncs + i)
			if err := v.Reset(m, fn); err != nil {
				t.Fatal(where, err)
			}
			r.Reset(body.Code, body.Offset)
			for r.More() {
				if v.Done() {
					t.Fatalf("%s: done before the last instruction", where)
				}
				if err := r.Next(&in); err != nil {
					t.Fatal(where, err)
				}
				info, height, live := in.Op.Info(), v.Height(), !v.Unreachable()
				if info.Typed && live {
					for k := range info.Params {
						want, ok := kinds[info.Params[k]]
						if got := v.TypeAt(len(info.Params) - 1 - k); ok && got != want {
							t.Fatalf("%s: %s has operand %d of type %v", where, in.Op, k, got)
						}
					}
				}
				if l := v.Label(0); v.Height() < l.Height || l.Unreachable != v.Unreachable() {
					t.Fatalf("%s: label at %d, operands %d", where, l.Height, v.Height())
				}
				if err := v.Step(&in); err != nil {
					t.Fatal(where, err)
				}
				if info.Typed && live && v.Height() != height+len(info.Results)-len(info.Params) {
					t.Fatalf("%s: %s moves the height from %d to %d", where, in.Op, height, v.Height())
				}
				steps++
			}
			if !v.Done() || v.Height() != len(m.FuncType(fn).Results) {
				t.Fatalf("%s: function %d ends with %d operands", where, fn, v.Height())
			}
			if err := v.Step(&in); kindOf(err) != "malformed" {
				t.Fatalf("%s: a step behind the end gives %v", where, err)
			}
		}
	})
	t.Logf("%d steps", steps)
}

func TestViewDoesNotAllocate(t *testing.T) {
	src, err := os.ReadFile("testdata/view.wat")
	if err != nil {
		t.Fatal(err)
	}
	m := validated(t, wasm.NewTypeSpace(), string(src))
	var v wasm.FuncValidator
	var r wasm.InstrReader
	var in wasm.Instr
	run := func() {
		for i, body := range m.Bodies {
			if err := v.Reset(m, uint32(m.NumImportedFuncs+i)); err != nil {
				t.Fatal(err)
			}
			r.Reset(body.Code, body.Offset)
			for r.More() {
				if err := r.Next(&in); err != nil {
					t.Fatal(err)
				}
				if err := v.Step(&in); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
}

func TestResetOfImport(t *testing.T) {
	m := validated(t, wasm.NewTypeSpace(), `(module (import "m" "f" (func)) (func))`)
	var v wasm.FuncValidator
	for _, fn := range []uint32{0, 2, 1 << 31} {
		if err := v.Reset(m, fn); err == nil {
			t.Errorf("Reset(%d) succeeded", fn)
		}
	}
	if err := v.Reset(m, 1); err != nil {
		t.Error(err)
	}
}
