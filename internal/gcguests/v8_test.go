package gcguests_test

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// onV8 gives what V8 does with calls, or skips.
func onV8(t *testing.T, module []byte, calls []gcguests.PeerCall) []gcguests.PeerResult {
	t.Helper()
	node := nodeCommand(t)
	dir := t.TempDir()
	script, file := filepath.Join(dir, "v8.mjs"), filepath.Join(dir, "module.wasm")
	for name, data := range map[string][]byte{script: gcguests.V8Script, file: module} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run, err := gcguests.Peer(t.Context(), []string{node, "--stack-size=60000", script, file}, calls)
	if err != nil {
		t.Fatal(err)
	}
	return run.Results
}

// TestLoadsOnV8: the loads and their twins in Go are the same algorithms, by the word of another engine.
func TestLoadsOnV8(t *testing.T) {
	for _, l := range gcguests.Loads() {
		t.Run(l.Name, func(t *testing.T) {
			module, err := l.Module()
			if err != nil {
				t.Fatal(err)
			}
			var calls []gcguests.PeerCall
			for _, c := range l.Calls {
				calls = append(calls, gcguests.PeerCall{Func: c.Func, Args: c.Args})
			}
			for i, r := range onV8(t, module, calls) {
				c := l.Calls[i]
				switch c.End {
				case gcguests.Returns:
					if want := strconv.FormatInt(c.Want(), 10); r.Result != want || r.Trap != "" || r.Thrown {
						t.Errorf("%s: V8 gives %s%s, Go %s", c, r.Result, r.Trap, want)
					}
				case gcguests.Miscasts:
					if !strings.Contains(r.Trap, "illegal cast") {
						t.Errorf("%s: V8 gives %+v, want an illegal cast", c, r)
					}
				case gcguests.Throws:
					if !r.Thrown {
						t.Errorf("%s: V8 gives %+v, want an exception", c, r)
					}
				}
			}
		})
	}
}

var update = flag.Bool("update", false, "write what V8 prints to moonbit/NAME.expected")

// TestMoonBitOnV8: what the programs are expected to print is what V8 prints.
func TestMoonBitOnV8(t *testing.T) {
	for _, p := range gcguests.MoonBitPrograms() {
		t.Run(p.Name, func(t *testing.T) {
			r := onV8(t, p.Module, []gcguests.PeerCall{{Func: "_start"}})[0]
			if r.Trap != "" || r.Thrown {
				t.Fatalf("%+v", r)
			}
			if *update {
				if err := os.WriteFile("moonbit/"+p.Name+".expected", []byte(r.Printed), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if r.Printed != p.Expected {
				t.Errorf("V8 prints\n%s\nwant\n%s", r.Printed, p.Expected)
			}
		})
	}
}
