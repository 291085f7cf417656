package spindle_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// writeImage writes an image to a file.
func writeImage(t testing.TB, img *spindle.Image) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "app.snap"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	n, err := img.WriteTo(f)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != n {
		t.Fatalf("%d bytes were written, the file has %d (%v)", n, info.Size(), err)
	}
	return f
}

// throughFile writes an image to a file and makes a Process of it in a Runtime of its own.
func throughFile(t testing.TB, img *spindle.Image, imports spindle.Imports) *spindle.Process {
	t.Helper()
	rt := spindle.NewRuntime()
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%d regions left", n)
		}
	})
	opened, err := rt.OpenImage(t.Context(), writeImage(t, img), spindle.OpenConfig{Config: spindle.Config{Imports: imports}, Check: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := opened.Fork(context.Background(), spindle.ForkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	return p
}

const warmPlugin = `(module (memory (export "m") 2)
	(global $n (mut i32) (i32.const 0))
	(func (export "add") (param i32) (result i32)
		(global.set $n (i32.add (global.get $n) (local.get 0)))
		(i32.store (i32.const 70000) (global.get $n))
		(i32.load (i32.const 70000))))`

func TestSnapshotOfAnIdleInstance(t *testing.T) {
	ctx := t.Context()
	for _, forkable := range []bool{true, false} {
		rt := spindle.NewRuntime()
		inst, err := rt.Instantiate(ctx, compileText(t, rt, warmPlugin), spindle.Config{Name: "plugin", Forkable: forkable})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inst.Call(ctx, "add", 5); err != nil {
			t.Fatal(err)
		}
		img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p := throughFile(t, img, nil)
		if res, err := p.Instance("plugin").Call(ctx, "add", 7); err != nil || res[0] != 12 {
			t.Errorf("the Process of the file: %v, %v; want 12", res, err)
		}
		// A snapshot of what came out of a snapshot.
		img2, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		q := throughFile(t, img2, nil)
		if res, err := q.Instance("plugin").Call(ctx, "add", 30); err != nil || res[0] != 42 {
			t.Errorf("the Process of the second file: %v, %v; want 42", res, err)
		}
		// Equal images make equal files, to whatever they are written.
		var a, b bytes.Buffer
		if _, err := img2.WriteTo(&a); err != nil {
			t.Fatal(err)
		}
		if _, err := img2.WriteTo(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("two files of one image differ (%v)", err)
		}
		onDisk, err := os.ReadFile(writeImage(t, img2).Name())
		if err != nil || !bytes.Equal(onDisk, a.Bytes()) {
			t.Errorf("a file with holes differs from one without (%v)", err)
		}
		if err := errors.Join(img.Close(), img2.Close(), rt.Close()); err != nil {
			t.Error(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%d regions left", n)
		}
	}
}
