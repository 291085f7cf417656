package modgen_test

import (
	"slices"
	"testing"

	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// eachInstr calls f for every instruction of the bodies, constant expressions left out.
func eachInstr(t *testing.T, m *wasm.Module, f func(fn int, in *wasm.Instr)) {
	t.Helper()
	var r wasm.InstrReader
	var in wasm.Instr
	for i := range m.Bodies {
		r.Reset(m.Bodies[i].Code, m.Bodies[i].Offset)
		for r.More() {
			if err := r.Next(&in); err != nil {
				t.Fatal(err)
			}
			f(i+m.NumImportedFuncs, &in)
		}
	}
}

// TestCoverage: over some seeds, every instruction of the table is generated, and every form of the module's other parts.
func TestCoverage(t *testing.T) {
	var seen [wasm.NumOpcodes]int
	forms := map[string]int{}
	ts := wasm.NewTypeSpace()
	for seed := range 4000 {
		cfg := configs["aggregates"]
		b := modgen.Generate(modgen.Seed(uint64(seed)), cfg)
		m, err := validate(b, cfg.Features, ts)
		if err != nil {
			t.Fatal(seed, err)
		}
		eachInstr(t, m, func(_ int, in *wasm.Instr) {
			seen[in.Op]++
			for _, c := range in.Catch {
				forms["catch "+[]string{"tag", "tag ref", "all", "all ref"}[c.Kind]]++
			}
		})
		for i := range m.Elems {
			e := &m.Elems[i]
			form := []string{"active", "passive", "declarative"}[e.Mode]
			if e.Mode == wasm.SegmentActive && e.Table > 0 {
				form += " table"
			}
			if e.IsExpr {
				form += " expressions"
			}
			forms["elem "+form]++
		}
		for i := range m.Datas {
			forms["data "+[]string{"active", "passive"}[m.Datas[i].Mode]]++
		}
		for i := range m.Imports {
			forms["import "+m.Imports[i].Kind.String()]++
		}
		for _, mem := range m.Memories {
			if mem.Is64 {
				forms["memory64"]++
			}
			if mem.Shared {
				forms["shared memory"]++
			}
		}
		for i := range m.Tables {
			if m.Tables[i].Type.Is64 {
				forms["table64"]++
			}
			if m.Tables[i].Init != nil {
				forms["table with initialiser"]++
			}
		}
		for _, g := range m.RecGroups {
			if g.Len != 1 {
				forms["recursion group"]++
			}
		}
		for i := range m.Types {
			if m.Types[i].Super >= 0 {
				forms["subtype of "+[]string{"func", "struct", "array"}[m.Types[i].Kind]]++
			}
		}
		if m.Start >= 0 {
			forms["start"]++
		}
	}
	for op := range wasm.Opcode(wasm.NumOpcodes) {
		if op.Info().Name != "" && seen[op] == 0 {
			t.Errorf("%s is never generated", op)
		}
	}
	for _, form := range []string{
		"catch tag", "catch tag ref", "catch all", "catch all ref", "elem active", "elem active expressions", "elem active table",
		"elem active table expressions", "elem passive", "elem passive expressions", "elem declarative", "elem declarative expressions",
		"data active", "data passive", "import func", "import table", "import memory", "import global", "import tag", "memory64",
		"shared memory", "table64", "table with initialiser", "recursion group", "subtype of func", "subtype of struct",
		"subtype of array", "start",
	} {
		if forms[form] == 0 {
			t.Errorf("there is never a %s", form)
		}
	}
	if testing.Verbose() {
		type row struct {
			op wasm.Opcode
			n  int
		}
		var rows []row
		for op := range wasm.Opcode(wasm.NumOpcodes) {
			if op.Info().Name != "" {
				rows = append(rows, row{op, seen[op]})
			}
		}
		slices.SortFunc(rows, func(a, b row) int { return a.n - b.n })
		for _, r := range rows[:20] {
			t.Logf("%6d %s", r.n, r.op)
		}
	}
}
