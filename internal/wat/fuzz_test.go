package wat

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// seedTexts are the inputs of all golden files.
func seedTexts(f *testing.F) (texts []string) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range strings.Split(string(text), "\n====\n") {
			in, _, _ := strings.Cut(c, "\n----")
			for strings.HasPrefix(in, "#") {
				_, in, _ = strings.Cut(in, "\n")
			}
			texts = append(texts, in)
		}
	}
	return texts
}

// fuzzing reports whether the fuzzer runs. Only then are the suites' modules seeds: TestRoundTripSuite has them anyway.
func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}

// decodeAssembled decodes what the assembler made, which must be well-formed but for the decoder's limits. It returns nil for a
// module that can't be decoded or isn't valid.
func decodeAssembled(t *testing.T, bin []byte) *wasm.Module {
	var limit *wasm.LimitError
	var invalid *wasm.ValidationError
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err == nil {
		err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{Workers: 1})
	}
	switch {
	case err == nil:
		return m
	case !errors.As(err, &limit) && !errors.As(err, &invalid):
		t.Fatalf("assembled, but: %v\n% x", err, bin)
	}
	return nil
}

// FuzzAssemble: any text gives a module that decodes, or a syntax error with a position; valid modules survive a round trip.
func FuzzAssemble(f *testing.F) {
	for _, s := range seedTexts(f) {
		f.Add([]byte(s))
	}
	if fuzzing() {
		suiteModules(400, func(m *Module) {
			if s := m.source(); s != nil {
				f.Add(s)
			}
		})
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		bin, err := Assemble(src, Options{})
		if err != nil {
			checkSyntaxError(t, src, err)
			return
		}
		if m := decodeAssembled(t, bin); m != nil {
			roundTrip(t, m)
		}
	})
}

func checkSyntaxError(t *testing.T, src []byte, err error) {
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Col < 1 || syntax.Msg == "" {
		t.Fatalf("not a syntax error with a position: %#v", err)
	}
	if lines := 1 + strings.Count(string(src), "\n") + strings.Count(string(src), "\r"); syntax.Line > lines {
		t.Fatalf("line %d of %d: %v", syntax.Line, lines, err)
	}
}

// FuzzScript: any text is a script or gives a syntax error; its modules assemble or give one.
func FuzzScript(f *testing.F) {
	for _, s := range seedTexts(f) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		script, err := ParseScript(src)
		if err != nil {
			checkSyntaxError(t, src, err)
			return
		}
		for _, c := range script.Commands {
			if c.Module == nil || c.Module.Kind == ModuleBinary {
				continue
			}
			if bin, err := c.Module.Assemble(Options{}); err == nil {
				decodeAssembled(t, bin)
			} else if c.Module.Kind == ModuleText {
				checkSyntaxError(t, src, err)
			}
		}
	})
}

// FuzzRoundTrip: bytes that are a valid module print as text that assembles to the same module; others print or give an error.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range seedTexts(f) {
		if bin, err := Assemble([]byte(s), Options{}); err == nil {
			f.Add(bin)
		}
	}
	if fuzzing() {
		suiteModules(600, func(m *Module) {
			if bin, err := m.Assemble(Options{}); err == nil {
				f.Add(bin)
			}
		})
	}
	f.Fuzz(func(t *testing.T, bin []byte) {
		m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
		if err != nil {
			return
		}
		if wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{Workers: 1}) != nil {
			var sink strings.Builder
			_ = Print(&sink, m, PrintOptions{})
			return
		}
		roundTrip(t, m)
	})
}
