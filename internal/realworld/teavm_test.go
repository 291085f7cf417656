package realworld

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/interp"
	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestTeaVM validates and lowers the whole of two large programs that TeaVM has compiled from Java: thousands of types in one
// hierarchy, casts, exceptions. They need a JavaScript host to run.
func TestTeaVM(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: modules of several MB")
	}
	for _, g := range []struct {
		pkg  fetch.Package
		file string
		// What the modules are known to be made of, so that a module that is cut short does not pass.
		types, funcs int
	}{
		{fetch.CFR, "cfr.wasm", 11_000, 14_000},
		{fetch.Vineflower, "vf.wasm", 5_900, 9_000},
	} {
		t.Run(g.file, func(t *testing.T) {
			b, err := os.ReadFile(guest(t, g.pkg, g.file))
			if err != nil {
				t.Fatal(err)
			}
			before := heapBytes()
			start := time.Now()
			m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
			if err != nil {
				t.Fatal(err)
			}
			types := wasm.NewTypeSpace()
			if err := wasm.Validate(m, types, wasm.ValidateOptions{}); err != nil {
				t.Fatal(err)
			}
			valid, validBytes := time.Since(start), heapBytes()-before
			before = heapBytes()
			start = time.Now()
			code, err := interp.New().Compile(m, types)
			if err != nil {
				t.Fatal(err)
			}
			if err := code.(*interp.Code).LowerAll(); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			t.Logf("%d bytes, %d types, %d functions", len(b), len(m.Types), len(m.Bodies))
			t.Logf("validated in %v, %d KiB live", valid, validBytes>>10)
			t.Logf("lowered in %v, %d KiB live", took, (heapBytes()-before)>>10)
			if len(m.Types) < g.types || len(m.Bodies) < g.funcs {
				t.Errorf("%d types and %d functions, want at least %d and %d", len(m.Types), len(m.Bodies), g.types, g.funcs)
			}
			runtime.KeepAlive(code)
			runtime.KeepAlive(m)
			runtime.KeepAlive(b)
		})
	}
}

// heapBytes is how much of Go's heap is live.
func heapBytes() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
