package wasm_test

import (
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

func TestNames(t *testing.T) {
	m := validated(t, wasm.NewTypeSpace(), `(module $mod
		(type $t (struct (field $x i32) (field $y i64)))
		(import "env" "puts" (func))
		(import "env" "gets" (func $gets))
		(table $tab 1 funcref) (memory $mem 1) (tag $tag) (global $g i32 (i32.const 0))
		(elem $el declare func $f) (data $da "x")
		(func $f (param $p i32) (local $l i64) (block $b))
		(func (export "exported"))
		(func))`)
	n := m.Names()
	for _, c := range []struct{ got, want string }{
		{n.Module, "mod"}, {n.Types[0], "t"}, {n.Fields[0][1], "y"}, {n.Tables[0], "tab"}, {n.Memories[0], "mem"},
		{n.Tags[0], "tag"}, {n.Globals[0], "g"}, {n.Elems[0], "el"}, {n.Datas[0], "da"}, {n.Funcs[2], "f"},
		{n.Locals[2][0], "p"}, {n.Locals[2][1], "l"}, {n.Labels[2][0], "b"},
		{m.FuncName(0), "env.puts"}, {m.FuncName(1), "gets"}, {m.FuncName(2), "f"}, {m.FuncName(3), "exported"},
		{m.FuncName(4), "func[4]"}, {m.FuncName(1 << 31), "func[2147483648]"},
	} {
		if c.got != c.want {
			t.Errorf("name is %q, want %q", c.got, c.want)
		}
	}
	for i, b := range m.Bodies {
		if fn, ok := m.FuncAt(b.Offset); !ok || fn != uint32(i+2) {
			t.Errorf("function at %#x is %d, %v", b.Offset, fn, ok)
		}
	}
	if _, ok := m.FuncAt(3); ok {
		t.Error("there is a function in the header")
	}
}

// withCustom appends a custom section to an empty module with four functions.
func withCustom(t *testing.T, name, data string) *wasm.Module {
	t.Helper()
	bin := "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x05\x04\x00\x00\x00\x00" +
		"\x0a\x0d\x04\x02\x00\x0b\x02\x00\x0b\x02\x00\x0b\x02\x00\x0b"
	bin += "\x00" + string(rune(1+len(name)+len(data))) + string(rune(len(name))) + name + data
	m, err := check([]byte(bin), wasm.NewTypeSpace(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestBrokenNames: a name section never makes a module fail, and what is sound in it is kept.
func TestBrokenNames(t *testing.T) {
	sound := "\x01\x07\x02\x00\x01a\x02\x01b"
	for _, c := range []struct{ data, zero, two string }{
		{sound, "a", "b"},
		{"", "func[0]", "func[2]"},
		{"\x01", "func[0]", "func[2]"},
		{"\x01\x7f\x01\x00\x01a", "func[0]", "func[2]"},            // subsection longer than the section
		{"\x00\x03\x09ab" + sound, "a", "b"},                       // module name longer than its subsection
		{"\x01\x07\x02\x00\x01\xff\x02\x01b", "func[0]", "b"},      // not UTF-8
		{"\x01\x04\x7f\x00\x01a", "func[0]", "func[2]"},            // more names claimed than there are bytes
		{"\x01\x07\x03\x00\x01a\x02\x01b", "a", "b"},               // one name claimed too many
		{"\x02\x02\xff\xff" + sound, "a", "b"},                     // broken local names
		{"\x63\x01\x00" + sound, "a", "b"},                         // unknown subsection
		{sound + "\x01\x04\x01\x00\x01z", "a", "b"},                // a second map of functions
		{"\x01\x0a\x03\x00\x01a\x02\x01b\x02\x01c", "a", "c"},      // a name given twice
		{"\x01\x09\x02\x00\x01a\xff\xff\xff\x01b", "a", "func[2]"}, // broken index
	} {
		m := withCustom(t, "name", c.data)
		if z, o := m.FuncName(0), m.FuncName(2); z != c.zero || o != c.two {
			t.Errorf("% x: names %q and %q, want %q and %q", c.data, z, o, c.zero, c.two)
		}
	}
}

func TestBranchHints(t *testing.T) {
	const name = "metadata.code.branch_hint"
	m := withCustom(t, name, "\x02\x00\x02\x05\x01\x00\x09\x01\x01\x02\x01\x03\x01\x01")
	h := m.BranchHints
	if len(h) != 2 || len(h[0]) != 2 || h[0][0] != (wasm.BranchHint{Offset: 5}) || h[0][1] != (wasm.BranchHint{Offset: 9, Likely: true}) ||
		len(h[2]) != 1 {
		t.Errorf("hints are %v", h)
	}
	for _, data := range []string{"", "\x7f", "\x01\x00\x01\x05\x02\x00", "\x01\x00\x01\x05\x01\x02", "\x01\x00\x02\x05\x01\x00\x05\x01\x01"} {
		if h := withCustom(t, name, data).BranchHints; len(h) != 0 {
			t.Errorf("% x: hints are %v", data, h)
		}
	}
}
