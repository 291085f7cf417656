package wat

import (
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestSourceMap lists where each instruction of the text's functions comes from: its keyword must stand there. The final end is
// the function's closing parenthesis.
func TestSourceMap(t *testing.T) {
	text := `(module
  (type $t (func (result i32)))
  (func $f (param i32) (result i32) (local i64 i64 f32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1)) (else (call $f (i32.sub (local.get 0) (i32.const 1)))))
    block $b
      br $b
    end)
  (global $g i32 (i32.const 1))
  (func (loop (br 0)) unreachable))`
	var sm SourceMap
	bin, err := Assemble([]byte(text), Options{Map: &sm})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	at := func(offset uint32) string {
		p, ok := sm.Pos(offset)
		if !ok {
			t.Fatalf("nothing at %#x", offset)
		}
		return lines[p.Line-1][p.Col-1:]
	}
	for _, b := range m.Bodies {
		list, offsets := instrs(t, b.Code, b.Offset)
		for i, in := range list {
			want := in.Op.String()
			if in.Op == wasm.OpEnd && !strings.HasPrefix(at(offsets[i]), "end") {
				want = ")"
			}
			if got := at(offsets[i]); !strings.HasPrefix(got, want) {
				t.Errorf("%s at %#x: got %q", in.Op, offsets[i], got)
			}
		}
	}
	if got, want := at(m.Globals[0].Init.Offset), "(global $g"; !strings.HasPrefix(got, want) {
		t.Errorf("global: got %q, want %q", got, want)
	}
	if _, ok := sm.Pos(3); ok {
		t.Error("the header has a position")
	}
}
