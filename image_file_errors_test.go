package spindle_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// busyImage returns the bytes of a file with a guest that stands within calls.
func busyImage(t testing.TB) ([]byte, spindle.Imports) {
	t.Helper()
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	entered := make(chan struct{}, 1)
	host := spindle.HostModule{"wait": spindle.Proc0(func(c *spindle.Caller) {
		c.Block(func() {
			select {
			case entered <- struct{}{}:
				<-c.Stopped()
			default: // in a Process of the file
			}
		})
	}).Restartable()}
	imports := spindle.Imports{"host": host}
	mod := compileText(t, rt, `(module
		(import "host" "wait" (func $wait))
		(memory 1)
		(data (i32.const 9) "page")
		(table $t 2 funcref)
		(elem (table $t) (i32.const 0) func $wait $g)
		(elem $p funcref (ref.func $g) (ref.null func))
		(tag $e (param i32))
		(global $fn (mut funcref) (ref.func $g))
		(func $g (param funcref) (call_indirect (i32.const 0)) (table.set $t (i32.const 1) (local.get 0)))
		(func (export "_start") (local $x exnref)
			(block $h (result i32 exnref)
				(try_table (catch_ref $e $h) (throw $e (i32.const 5)))
				(unreachable))
			(local.set $x)
			(i32.store (i32.const 0))
			(call $g (global.get $fn))))`)
	p, err := rt.Start(ctx, mod, spindle.Config{Imports: imports})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	entered <- struct{}{} // nobody waits any more
	img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	var b bytes.Buffer
	if _, err := img.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), imports
}

func openBytes(t testing.TB, rt *spindle.Runtime, name string, b []byte, cfg spindle.OpenConfig) (*spindle.Image, error) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return rt.OpenImage(context.Background(), f, cfg)
}

// signed makes the header's checksum right, so that what lies behind it is looked at.
func signed(b []byte) []byte {
	if len(b) < 64 {
		return b
	}
	n := binary.LittleEndian.Uint64(b[16:])
	if n > uint64(len(b)-64) {
		return b
	}
	binary.LittleEndian.PutUint64(b[24:], uint64(len(b)))
	sum := sha256.New()
	sum.Write(b[:32])
	sum.Write(b[64:][:n])
	copy(b[32:], sum.Sum(nil))
	return b
}

// descriptionEnd is where the description ends, and zeros up to the pages follow.
func descriptionEnd(b []byte) int { return 64 + int(binary.LittleEndian.Uint64(b[16:])) }

// A byte that is changed, wherever it lies, and a file that is cut are told, with the place.
func TestDamagedSnapshots(t *testing.T) {
	good, imports := busyImage(t)
	rt := spindle.NewRuntime()
	defer rt.Close()
	name := filepath.Join(t.TempDir(), "f")
	cfg := spindle.OpenConfig{Config: spindle.Config{Imports: imports}, Check: true}
	img, err := openBytes(t, rt, name, good, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, b []byte) {
		t.Helper()
		img, err := openBytes(t, rt, name, b, cfg)
		if err == nil {
			img.Close()
			t.Errorf("%s: accepted", what)
			return
		}
		var fe *spindle.SnapshotFormatError
		if !errors.As(err, &fe) {
			t.Errorf("%s: %v", what, err)
		}
	}
	end := descriptionEnd(good)
	for at := 0; at < end; at += 1 + end/500 {
		b := bytes.Clone(good)
		b[at] ^= 0x10
		refused("a changed byte", b)
	}
	pages := bytes.Clone(good)
	pages[64<<10] ^= 1
	refused("a changed page", pages)
	for _, n := range []int{0, 7, 8, 63, 64, 100, end - 1, len(good) / 2, len(good) - 1} {
		refused("a cut file", good[:n])
	}
	refused("a longer file", append(bytes.Clone(good), 0))
	if n := rt.LiveRegions(); n != 0 {
		t.Errorf("%d regions left", n)
	}
}

// What the checksum does not save from is refused as well, or makes a guest that stays within itself: nothing panics.
func FuzzOpenImage(f *testing.F) {
	good, imports := busyImage(f)
	end := descriptionEnd(good)
	for at := 64; at < end; at += 1 + end/400 {
		f.Add(uint32(at), uint64(0x80))
		f.Add(uint32(at), uint64(1))
	}
	name := filepath.Join(f.TempDir(), "f")
	f.Fuzz(func(t *testing.T, at uint32, change uint64) {
		b := bytes.Clone(good)
		k := 16 + int(at)%(end-16)
		for i := range 8 {
			if k+i < len(b) {
				b[k+i] ^= byte(change >> (8 * i))
			}
		}
		rt := spindle.NewRuntime()
		img, err := openBytes(t, rt, name, signed(b), spindle.OpenConfig{Config: spindle.Config{Imports: imports}})
		if err == nil {
			ctx, cancel := context.WithCancel(t.Context())
			if p, err := img.Fork(ctx, spindle.ForkConfig{}); err == nil {
				cancel()
				p.Close()
			}
			cancel()
			img.Close()
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%d regions left (%v)", n, err)
		}
	})
}

// Modules that have changed since, and host functions that are not there, are told.
func TestSnapshotOfOtherModules(t *testing.T) {
	good, imports := busyImage(t)
	rt := spindle.NewRuntime()
	defer rt.Close()
	name := filepath.Join(t.TempDir(), "f")
	cfg := spindle.OpenConfig{Config: spindle.Config{Imports: imports}, Modules: []*spindle.Module{compileText(t, rt, warmPlugin)}}
	var fe *spindle.SnapshotFormatError
	if _, err := openBytes(t, rt, name, good, cfg); !errors.As(err, &fe) || !strings.Contains(fe.Msg, "they have changed") {
		t.Errorf("another module: %v", err)
	}
	img, err := openBytes(t, rt, name, good, spindle.OpenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	var le *spindle.LinkError
	if _, err := img.Fork(t.Context(), spindle.ForkConfig{}); !errors.As(err, &le) || le.Module != "host" || le.Name != "wait" {
		t.Errorf("without the host's functions: %v", err)
	}
	p, err := img.Fork(t.Context(), spindle.ForkConfig{Imports: imports})
	if err != nil {
		t.Fatal(err)
	}
	var trap *spindle.TrapError
	if err := p.Wait(t.Context()); err != nil && !errors.As(err, &trap) {
		t.Error(err)
	}
}

type stateful struct{ spindle.HostModule }

func (stateful) Freeze(*spindle.Process) (spindle.FrozenModule, error) { return stateful{}, nil }
func (stateful) Fork(*spindle.Process, any) (spindle.ImportModule, error) {
	return stateful{}, nil
}
func (stateful) Close() error { return nil }

// What cannot be in a file is named.
func TestSnapshotRefusals(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	for want, test := range map[string]struct {
		src string
		cfg spindle.Config
		arg any
	}{
		"externref": {`(module (global $g (mut externref) (ref.null extern)) (func (export "put") (param externref) (global.set $g (local.get 0))))`, spindle.Config{}, new(int)},
		"(externref)": {`(module (type $s (struct (field externref))) (global $g (mut (ref null $s)) (ref.null $s))
			(func (export "put") (param externref) (global.set $g (struct.new $s (local.get 0)))))`, spindle.Config{Forkable: true}, new(int)},
		`import module "m"`: {`(module)`, spindle.Config{Imports: spindle.Imports{"m": stateful{}}}, nil},
	} {
		inst, err := rt.Instantiate(ctx, compileText(t, rt, test.src), test.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if test.arg != nil {
			if _, err := inst.Call(ctx, "put", inst.Process().ExternRef(test.arg)); err != nil {
				t.Fatal(err)
			}
		}
		img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var se *spindle.SnapshotError
		if n, err := img.WriteTo(&bytes.Buffer{}); n != 0 || !errors.As(err, &se) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d bytes, %v", want, n, err)
		}
		if err := errors.Join(img.Close(), inst.Close()); err != nil {
			t.Error(err)
		}
	}
}
