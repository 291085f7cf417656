package wat

import (
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestDeepNesting: no nesting overflows a stack.
func TestDeepNesting(t *testing.T) {
	const n = 100_000
	for _, c := range []struct{ open, inner, close string }{
		{"(block ", "", ")"},
		{"block ", "", "end "},
		{"(drop ", "(i32.const 0)", ")"},
		{"(if (i32.const 0) (then ", "", "))"},
		{"(if ", "(i32.const 0)", " (then))"},
		{"(try_table ", "", ")"},
		{"(; ", "", ";) "},
		{"(@a ", "", ")"},
	} {
		text := "(func " + strings.Repeat(c.open, n) + c.inner + strings.Repeat(c.close, n) + ")"
		if _, err := Assemble([]byte(text), Options{}); err != nil {
			t.Errorf("%s: %v", c.open, err)
		}
	}
	for _, open := range []string{"(", "(module ", "(thread ", "(func ", "(rec ", "(type (struct (field (ref "} {
		text := strings.Repeat(open, n) + strings.Repeat(")", n*strings.Count(open, "("))
		if _, err := ParseScript([]byte(text)); err == nil {
			if _, err = Assemble([]byte(text), Options{}); err == nil {
				t.Errorf("%s nested %d times is no error", open, n)
			}
		}
	}
}

// TestPrintDeep: the text of deep nesting stays in proportion.
func TestPrintDeep(t *testing.T) {
	const n = 100_000
	bin, err := Assemble([]byte("(func "+strings.Repeat("block ", n)+strings.Repeat("end ", n)+")"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	if size := len(printed(t, m)); size > 150*n {
		t.Errorf("%d bytes of text for %d blocks", size, n)
	}
}

// TestPrintWide: a type of many parameters is not written out wherever it is used.
func TestPrintWide(t *testing.T) {
	const n = 20_000
	text := "(type $t (func (param" + strings.Repeat(" i64", 500) + ") (result" + strings.Repeat(" f32", 500) + "))) (table 1 funcref)" +
		"(func (param i32) (local $named i32) unreachable " + strings.Repeat("block (type $t) i32.const 0 call_indirect (type $t) end ", n) + ")" +
		strings.Repeat("(func (type $t) unreachable)", n) +
		"(func (param" + strings.Repeat(" i32", 40) + ") (param $last i32) (drop (local.get $last)))" +
		"(func (param" + strings.Repeat(" i32", 40) + ") (local $l i32) (drop (local.get $l)))"
	bin, err := Assemble([]byte(text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, m)
	if size := len(printed(t, m)); size > 20*len(bin) {
		t.Errorf("%d bytes of text for a module of %d", size, len(bin))
	}
}

// TestLabelsInTime: many labels of one name are found without searching for them.
func TestLabelsInTime(t *testing.T) {
	const n = 100_000
	text := "(func " + strings.Repeat("block $a ", n) + strings.Repeat("br $a br 0 ", n) + strings.Repeat("end $a ", n) + ")"
	if _, err := Assemble([]byte(text), Options{}); err != nil {
		t.Fatal(err)
	}
}

// TestLineEnds: all three ends of lines count, and a script of many lines is read in one go.
func TestLineEnds(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		const n = 20_000
		script, err := ParseScript([]byte(strings.Repeat(";; é"+end+"  (; é ;) (module)"+end, n)))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range script.Commands {
			if want := (Pos{Line: 2*i + 2, Col: 11}); c.Pos != want {
				t.Fatalf("%q: module %d at %v, want %v", end, i, c.Pos, want)
			}
		}
	}
}

// TestOneLine: a script without line ends is read in one go too.
func TestOneLine(t *testing.T) {
	const n = 200_000
	script, err := ParseScript([]byte(strings.Repeat("(module)", n)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := script.Commands[n-1].Pos, (Pos{Line: 1, Col: 8*n - 7}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
