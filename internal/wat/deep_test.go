package wat

import (
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestDeepNesting: no nesting overflows a stack.
func TestDeepNesting(t *testing.T) {
	const n = 300_000
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

// TestLabelsInTime: many labels of one name are found without searching for them.
func TestLabelsInTime(t *testing.T) {
	const n = 100_000
	text := "(func " + strings.Repeat("block $a ", n) + strings.Repeat("br $a br 0 ", n) + strings.Repeat("end $a ", n) + ")"
	if _, err := Assemble([]byte(text), Options{}); err != nil {
		t.Fatal(err)
	}
}
