package wasm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// assemble turns text into a decoded module with all features on.
func assemble(t testing.TB, src string) *wasm.Module {
	t.Helper()
	bin, err := wat.Assemble([]byte(src), wat.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return m
}

// validated is assemble followed by Validate in the given space.
func validated(t testing.TB, ts *wasm.TypeSpace, src string) *wasm.Module {
	t.Helper()
	m := assemble(t, src)
	if err := wasm.Validate(m, ts, wasm.ValidateOptions{}); err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return m
}

// section is a part of a data-driven test file: a header line "-- header --" and the text up to the next one.
type section struct {
	line         int
	header, text string
}

func sectionsOf(t testing.TB, file string) (out []section) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.SplitAfter(string(b), "\n") {
		trimmed := strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(trimmed, "-- "); ok && strings.HasSuffix(h, " --") {
			out = append(out, section{line: i + 1, header: strings.TrimSuffix(h, " --")})
		} else if len(out) > 0 {
			out[len(out)-1].text += line
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s has no sections", file)
	}
	return out
}
