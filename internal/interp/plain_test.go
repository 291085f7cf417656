package interp

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

var seeds = flag.Int("seeds", 150, "random modules for TestPlainLowering")

// trial runs all exports of a module and returns what it did.
func trial(t *testing.T, bin []byte, plain bool) (trace []string) {
	w := newWorld(t, 0)
	defer w.close() // there are many
	w.engine.plain = plain
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	if err := wasm.Validate(m, w.types, wasm.ValidateOptions{}); err != nil {
		t.Fatal(err)
	}
	code, err := w.engine.Compile(m, w.types)
	if err != nil {
		t.Fatal(err)
	}
	note := func(what string, err error) {
		var trap *vm.TrapError
		var ex *vm.Exception
		switch {
		case err == nil:
		case errors.As(err, &trap):
			what = fmt.Sprintf("%s: %v %s", what, trap.Code, trap.Detail)
		case errors.As(err, &ex):
			what = fmt.Sprintf("%s: exception %v", what, ex.Slots())
		default:
			t.Errorf("%s: %v", what, err)
		}
		trace = append(trace, what)
	}
	inst, err := vm.Instantiate(w.thread, m, code, func(*wasm.Import) (vm.Extern, bool, error) { return vm.Extern{}, false, nil },
		vm.MemoryLimits{MaxPages: 64, Limited: true})
	note("instantiate", err)
	if err != nil {
		return trace
	}
	for round := range 3 {
		for _, e := range m.Exports {
			if e.Kind != wasm.ExternFunc || e.Name == modgen.Refuel {
				continue
			}
			if _, err := w.call(inst, modgen.Refuel); err != nil {
				t.Fatal(err)
			}
			ft := m.FuncType(e.Index)
			var args []uint64
			h := fnv.New64a()
			for i, p := range ft.Params {
				fmt.Fprint(h, e.Name, round, i)
				v := h.Sum64()
				if v%5 == 0 {
					v %= 100
				}
				switch {
				case p.IsRef():
					v = 0
				case p == wasm.I32 || p == wasm.F32:
					v = uint64(uint32(v))
				}
				args = append(args, v)
				if p == wasm.V128 {
					args = append(args, h.Sum64())
				}
			}
			res, err := w.call(inst, e.Name, args...)
			if err != nil {
				res = nil
			}
			note(fmt.Sprintf("%s %v = %v", e.Name, args, res), err)
		}
	}
	for i, mem := range inst.Memories {
		note(fmt.Sprintf("memory %d: %d pages %x", i, mem.Pages(), crc32.ChecksumIEEE(mem.Bytes())), nil)
	}
	for i := range m.Globals {
		g := inst.Extern(wasm.ExternGlobal, uint32(i)).Global
		lo, hi := g.Get()
		note(fmt.Sprintf("global %d: %x %x", i, lo, hi), nil)
	}
	for i, tb := range inst.Tables {
		note(fmt.Sprintf("table %d: %v", i, tb.Refs()), nil)
	}
	return trace
}

// TestPlainLowering runs random modules twice, with the simplest lowering and with the real one, and compares all they do.
func TestPlainLowering(t *testing.T) {
	for seed := range *seeds {
		cfg := modgen.Config{Features: wasm.AllFeatures, CanonicalNaN: true}
		if seed%3 == 0 {
			cfg.Features = wasm.FeatureMvp
		}
		bin := modgen.Generate(modgen.Seed(uint64(seed)), cfg)
		differ := func(bin []byte) string {
			a, b := trial(t, bin, true), trial(t, bin, false)
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					return fmt.Sprintf("plain: %s\nreal:  %s", a[i], b[i])
				}
			}
			return ""
		}
		if d := differ(bin); d != "" {
			small := modgen.Reduce(bytes.Clone(bin), func(b []byte) bool { return differ(b) != "" })
			path := filepath.Join(os.TempDir(), fmt.Sprintf("lowering-%d.wasm", seed))
			_ = os.WriteFile(path, small, 0o644)
			t.Fatalf("seed %d, reduced in %s:\n%s", seed, path, differ(small))
		}
	}
}
