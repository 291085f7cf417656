package gcguests_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spindle-wasm/spindle/internal/gcguests"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// v8Export is what binaryen/v8.mjs wants to know of an export.
type v8Export struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Params  []string `json:"params"`
	Types   []string `json:"types"` // of results, or of the global
	Refused bool     `json:"refused"`
}

func v8Exports(m *wasm.Module) []v8Export {
	names := func(ts []wasm.ValType) []string {
		out := []string{}
		for _, t := range ts {
			name := "ref"
			if !t.IsRef() {
				name = t.String()
			}
			out = append(out, name)
		}
		return out
	}
	var out []v8Export
	for _, e := range m.Exports {
		x := v8Export{Name: e.Name, Kind: "other"}
		switch e.Kind {
		case wasm.ExternGlobal:
			x.Kind, x.Types = "global", names([]wasm.ValType{m.Globals[e.Index].Type.Type})
		case wasm.ExternFunc:
			t := m.FuncType(e.Index)
			x.Kind, x.Params, x.Types = "func", names(t.Params), names(t.Results)
			for _, p := range t.Params {
				x.Refused = x.Refused || !p.Defaultable()
			}
		}
		out = append(out, x)
	}
	return out
}

// TestBinaryenOnV8: V8 agrees with binaryen's interpreter about the modules that are checked in.
func TestBinaryenOnV8(t *testing.T) {
	node := nodeCommand(t)
	for _, r := range randomModules(t) {
		t.Run(r.Name, func(t *testing.T) {
			m, err := wasm.Decode(r.Module, wasm.DecodeOptions{Features: wasm.AllFeatures})
			if err != nil {
				t.Fatal(err)
			}
			want, err := gcguests.ParseLog(r.Log)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "module.wasm")
			if err := os.WriteFile(file, r.Module, 0o644); err != nil {
				t.Fatal(err)
			}
			exports := v8Exports(m)
			input, err := json.Marshal(exports)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), node, "binaryen/v8.mjs", file)
			cmd.Stdin = bytes.NewReader(input)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			text, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, stderr.Bytes())
			}
			var events []struct {
				Kind   gcguests.EventKind
				Text   string
				Values []string
			}
			if err := json.Unmarshal(text, &events); err != nil {
				t.Fatal(err)
			}
			var got []gcguests.Event
			for i, e := range events {
				x := gcguests.Event{Kind: e.Kind, Text: e.Text}
				for _, v := range e.Values {
					x.Values = append(x.Values, gcguests.Value{Text: v})
				}
				if e.Kind == gcguests.Exception && e.Values == nil && i < len(want) {
					x.Values = nil // JavaScript cannot look into exceptions of tags that are not exported
					want[i].Values = nil
				}
				got = append(got, x)
			}
			if d := gcguests.Differ(numbers(got), want); d != "" {
				t.Error(d)
			}
		})
	}
}

// numbers gives the values that look like numbers the type f64: V8's values have none here, and to compare i32 as f64 is right.
func numbers(events []gcguests.Event) []gcguests.Event {
	for _, e := range events {
		for i, v := range e.Values {
			if v.Text != "" && (v.Text[0] == '-' || v.Text[0] >= '0' && v.Text[0] <= '9' || v.Text == "NaN" || v.Text == "Infinity") {
				e.Values[i].Type = wasm.F64
			}
		}
	}
	return events
}
