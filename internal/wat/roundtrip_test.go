package wat

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// normal is what a round trip through the text must keep of a module: everything but offsets, the widths of LEB128 numbers, the
// grouping of locals, and a data count section that no instruction needs.
type normal struct {
	Types    []wasm.SubType
	Groups   []wasm.RecGroup
	Imports  []wasm.Import
	Funcs    []uint32
	Tables   []normalTable
	Memories []wasm.MemoryType
	Tags     []wasm.TagType
	Globals  []normalGlobal
	Exports  []wasm.Export
	Start    int64
	Elems    []normalElem
	Datas    []normalData
	Bodies   []normalBody
	Customs  []wasm.CustomSection
	Names    wasm.Names
}

type normalTable struct {
	Type wasm.TableType
	Init []wasm.Instr
}

type normalGlobal struct {
	Type wasm.GlobalType
	Init []wasm.Instr
}

type normalElem struct {
	Mode   wasm.SegmentMode
	Table  uint32
	Start  []wasm.Instr
	Type   wasm.ValType
	Funcs  []uint32
	Exprs  [][]wasm.Instr
	IsExpr bool
}

type normalData struct {
	Mode   wasm.SegmentMode
	Memory uint32
	Start  []wasm.Instr
	Init   []byte
}

type normalBody struct {
	Locals []wasm.LocalRun
	Code   []wasm.Instr
	Hints  map[int]bool // by the index of the instruction
}

// instrs reads code without offsets.
func instrs(t *testing.T, code []byte, offset uint32) (list []wasm.Instr, offsets []uint32) {
	var r wasm.InstrReader
	for r.Reset(code, offset); r.More(); {
		var in wasm.Instr
		if err := r.Next(&in); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, in.Offset)
		in.Offset = 0
		list = append(list, in)
	}
	return list, offsets
}

func normalExpr(t *testing.T, e wasm.ConstExpr) []wasm.Instr {
	list, _ := instrs(t, e.Code, e.Offset)
	return list
}

func normalize(t *testing.T, m *wasm.Module) *normal {
	n := &normal{
		Types: m.Types, Groups: m.RecGroups, Funcs: m.Funcs, Memories: m.Memories, Tags: m.Tags, Exports: m.Exports, Start: m.Start,
	}
	for _, im := range m.Imports {
		im.Offset = 0
		n.Imports = append(n.Imports, im)
	}
	for _, x := range m.Tables {
		nt := normalTable{Type: x.Type}
		if x.Init != nil {
			nt.Init = normalExpr(t, *x.Init)
		}
		n.Tables = append(n.Tables, nt)
	}
	for i, x := range m.Globals {
		g := normalGlobal{Type: x.Type}
		if i >= m.NumImportedGlobals {
			g.Init = normalExpr(t, x.Init)
		}
		n.Globals = append(n.Globals, g)
	}
	for _, x := range m.Elems {
		e := normalElem{Mode: x.Mode, Table: x.Table, Type: x.Type, Funcs: x.Funcs, IsExpr: x.IsExpr}
		if x.Mode == wasm.SegmentActive {
			e.Start = normalExpr(t, x.Start)
		}
		for _, y := range x.Exprs {
			e.Exprs = append(e.Exprs, normalExpr(t, y))
		}
		n.Elems = append(n.Elems, e)
	}
	for _, x := range m.Datas {
		d := normalData{Mode: x.Mode, Memory: x.Memory, Init: x.Init}
		if x.Mode == wasm.SegmentActive {
			d.Start = normalExpr(t, x.Start)
		}
		n.Datas = append(n.Datas, d)
	}
	for i, x := range m.Bodies {
		b := normalBody{Hints: map[int]bool{}}
		for _, r := range x.Locals {
			last := len(b.Locals) - 1
			switch {
			case r.Count == 0:
			case last >= 0 && b.Locals[last].Type == r.Type:
				b.Locals[last].Count += r.Count
			default:
				b.Locals = append(b.Locals, r)
			}
		}
		var offsets []uint32
		b.Code, offsets = instrs(t, x.Code, x.Offset)
		hints := m.BranchHints[uint32(m.NumImportedFuncs+i)]
		for k, off := range offsets {
			if len(hints) > 0 && hints[0].Offset == off-x.Start {
				b.Hints[k] = hints[0].Likely
				hints = hints[1:]
			}
		}
		n.Bodies = append(n.Bodies, b)
	}
	hinted := len(m.BranchHints) == 0
	for _, c := range m.Customs {
		c.Offset = 0
		switch {
		case c.Name == "name":
			continue
		case c.Name == branchHintSection && !hinted:
			hinted = true
			continue
		}
		c.After = 0 // the text shows it; empty sections get lost
		if len(c.Data) == 0 {
			c.Data = nil
		}
		n.Customs = append(n.Customs, c)
	}
	n.Names = normalNames(m, n)
	return n
}

// normalNames leaves out the names of what isn't there.
func normalNames(m *wasm.Module, n *normal) wasm.Names {
	below := func(names map[uint32]string, limit int) map[uint32]string {
		out := map[uint32]string{}
		for x, s := range names {
			if uint64(x) < uint64(limit) {
				out[x] = s
			}
		}
		return out
	}
	nested := func(names map[uint32]map[uint32]string, limit func(x uint32) int) map[uint32]map[uint32]string {
		out := map[uint32]map[uint32]string{}
		for x, inner := range names {
			if kept := below(inner, limit(x)); len(kept) > 0 {
				out[x] = kept
			}
		}
		return out
	}
	body := func(fn uint32) int { return int(fn) - m.NumImportedFuncs }
	names := m.Names()
	labels := nested(names.Labels, func(fn uint32) (blocks int) {
		if i := body(fn); i >= 0 && i < len(n.Bodies) {
			for _, in := range n.Bodies[i].Code {
				switch in.Op {
				case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpTryTable:
					blocks++
				}
			}
		}
		return blocks
	})
	return wasm.Names{
		Module: names.Module,
		Funcs:  below(names.Funcs, len(m.Funcs)),
		Locals: nested(names.Locals, func(fn uint32) int {
			if uint64(fn) >= uint64(len(m.Funcs)) {
				return 0
			}
			count := len(m.FuncType(fn).Params)
			if i := body(fn); i >= 0 {
				for _, r := range m.Bodies[i].Locals {
					count += int(r.Count)
				}
			}
			return count
		}),
		Labels: labels,
		Types:  below(names.Types, len(m.Types)), Tables: below(names.Tables, len(m.Tables)),
		Memories: below(names.Memories, len(m.Memories)), Globals: below(names.Globals, len(m.Globals)),
		Elems: below(names.Elems, len(m.Elems)), Datas: below(names.Datas, len(m.Datas)), Tags: below(names.Tags, len(m.Tags)),
		Fields: nested(names.Fields, func(x uint32) int {
			if uint64(x) >= uint64(len(m.Types)) || m.Types[x].Kind != wasm.CompStruct {
				return 0
			}
			return len(m.Types[x].Fields)
		}),
	}
}

// roundTrip prints a module, assembles the text, and checks that the module is the same and prints the same.
func roundTrip(t *testing.T, m *wasm.Module) {
	t.Helper()
	text := printed(t, m)
	bin, err := Assemble(text, Options{})
	if err != nil {
		t.Fatalf("printed text: %v\n%s", err, text)
	}
	m2, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatalf("reassembled: %v\n%s", err, text)
	}
	if text2 := printed(t, m2); !bytes.Equal(text, text2) {
		t.Fatalf("text differs after a round trip:\n%s\n---- then\n%s", text, text2)
	}
	n1, n2 := reflect.ValueOf(normalize(t, m)).Elem(), reflect.ValueOf(normalize(t, m2)).Elem()
	for i := range n1.NumField() {
		a, b := n1.Field(i), n2.Field(i)
		if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
			continue
		}
		if !equal(a.Interface(), b.Interface()) {
			t.Fatalf("%s differ after a round trip:\n%v\n%v\n%s", n1.Type().Field(i).Name, a, b, text)
		}
	}
}

// equal compares what a reader may have left stale or nil by its printed form.
func equal(a, b any) bool {
	return reflect.DeepEqual(a, b) || fmt.Sprintf("%v", a) == fmt.Sprintf("%v", b)
}

func printed(t testing.TB, m *wasm.Module) []byte {
	var b bytes.Buffer
	if err := Print(&b, m, PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRoundTripSuite takes every module of the official suites that decodes and validates through the printer and back.
func TestRoundTripSuite(t *testing.T) {
	suiteFiles(t, func(t *testing.T, name string, src []byte) {
		script, err := ParseScript(src)
		if err != nil {
			t.Fatal(err)
		}
		var walk func(cmds []Command)
		walk = func(cmds []Command) {
			for _, c := range cmds {
				walk(c.Body)
				if c.Module == nil {
					continue
				}
				bin, err := c.Module.Assemble(suiteOptions(name))
				if err != nil {
					continue
				}
				m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
				if err == nil {
					err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{})
				}
				if err != nil && c.Kind == CmdModule {
					t.Errorf("%v: %v", c.Pos, err)
				}
				if err == nil {
					roundTrip(t, m)
				}
			}
		}
		walk(script.Commands)
	})
}

// TestPrintMalformed: a body that cannot be read is an error of package wasm with its place and function.
func TestPrintMalformed(t *testing.T) {
	for _, body := range []string{"\x05\x0B", "\x02\x40\x05\x0B\x0B", "\xFF\x0B", "\x01", "\x0B\x0B", "\x06\x40\x0B\x0B", "\x10"} {
		body = "\x00" + body
		code := "\x02\x02\x00\x0B" + string(rune(len(body))) + body
		bin := "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x03\x02\x00\x00\x0A" + string(rune(len(code))) + code
		m, err := wasm.Decode([]byte(bin), wasm.DecodeOptions{Features: wasm.AllFeatures})
		if err != nil {
			t.Fatalf("% x: %v", body, err)
		}
		fn, offset := int64(-1), uint32(0)
		switch e := Print(io.Discard, m, PrintOptions{}).(type) {
		case *wasm.MalformedError:
			fn, offset = e.Func, e.Offset
		case *wasm.FeatureError:
			fn, offset = e.Func, e.Offset
		default:
			t.Errorf("% x: %v", body, e)
		}
		if fn != 1 || offset < m.Bodies[1].Offset || offset > uint32(len(bin)) {
			t.Errorf("% x: in function %d at %#x", body, fn, offset)
		}
	}
}
