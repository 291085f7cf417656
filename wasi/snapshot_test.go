package wasi_test

import (
	"bytes"
	"errors"
	"testing"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// A guest with a pipe open cannot be in a file: the error says which descriptor it is.
func TestSnapshotWithAnOpenPipe(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(forkImports+`(func (export "open") (call $ok (call $fd_pipe (i32.const 0) (i32.const 4)))))`))
	if err != nil {
		t.Fatal(err)
	}
	inst, err := wasi.Instantiate(ctx, rt, mod, wasi.Config{}, spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, open := range []bool{false, true} {
		if open {
			if _, err := inst.Call(ctx, "open"); err != nil {
				t.Fatal(err)
			}
		}
		img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = img.WriteTo(&bytes.Buffer{})
		var file *wasi.OpenFileError
		if got := errors.As(err, &file); got != open || err != nil && !open || open && file.Descriptor != 3 {
			t.Errorf("a pipe is open: %v; %v", open, err)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
}
