package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spindle-wasm/spindle/internal/interp"
)

// TestInternalError checks that what is wrong with us is one line, and our own stack shown on demand only.
func TestInternalError(t *testing.T) {
	err := fmt.Errorf("calling f: %w", &interp.BugError{Msg: "panic: index out of range\ngoroutine 7 [running]:\nmain.main()"})
	for debug, want := range map[string]string{
		"":  "spindle: internal error, please report it: bug in the interpreter: panic: index out of range\n  (SPINDLE_DEBUG=1 in the environment shows where)\n",
		"1": "spindle: internal error, please report it: bug in the interpreter: panic: index out of range\ngoroutine 7 [running]:\nmain.main()\n",
	} {
		t.Setenv("SPINDLE_DEBUG", debug)
		name := filepath.Join(t.TempDir(), "stderr")
		f, ferr := os.Create(name)
		if ferr != nil {
			t.Fatal(ferr)
		}
		defer f.Close()
		code := (&app{stderr: f}).fail(nil, err)
		if got, rerr := os.ReadFile(name); rerr != nil || code != exitFailure || string(got) != want {
			t.Errorf("exit code %d, %q, %v; want %q", code, got, rerr, want)
		}
	}
}
