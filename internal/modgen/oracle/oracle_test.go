package oracle

import (
	"context"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

var (
	seeds = flag.Int("seeds", 300, "modules to run")
	first = flag.Int("first", 0, "first seed")
)

// config varies with the choices, so that the fuzzer can choose too.
func config(data []byte) modgen.Config {
	cfg := modgen.Config{Features: wasm.AllFeatures, Imports: true}
	if len(data) > 0 {
		switch data[0] % 8 {
		case 0:
			cfg.Imports = false
		case 1:
			cfg.Features &^= wasm.FeatureGc
		case 2:
			cfg.Features = wasm.FeatureMvp | wasm.FeatureMutableGlobals
		case 3:
			cfg.CanonicalNaN = true
		}
	}
	return cfg
}

// ways are what must make no difference. A run on a stack that is too small tells nothing.
func ways(n int) map[string]Options {
	return map[string]Options{
		"again":       {Tables: true},
		"small stack": {Tables: true, StackSize: 256 << 10},
		"large stack": {Tables: true, StackSize: 64 << 20},
		"paused":      {Tables: true, During: pauses(uint64(n))},
	}
}

// examine runs a module in several ways and returns what it did, and what was wrong if something was.
func examine(features wasm.Features, bin []byte) (base Trace, wrong string) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			wrong = fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	support, err := modgen.Support(bin)
	if err != nil {
		return nil, "support: " + err.Error()
	}
	s, err := NewSpindle(features, bin, support)
	if err != nil {
		return nil, "compile: " + err.Error()
	}
	ctx := context.Background()
	base, err = s.Run(ctx, Options{Tables: true})
	if err != nil {
		return base, "run: " + err.Error()
	}
	for name, opts := range ways(len(bin)) {
		trace, err := s.Run(ctx, opts)
		if err != nil {
			return base, name + ": " + err.Error()
		}
		if opts.StackSize > 0 && (trace.Exhausted() || base.Exhausted()) {
			continue
		}
		if d := Diff(base, trace); d != "" {
			return base, name + ": " + d
		}
	}
	if err := s.Close(); err != nil {
		return base, "close: " + err.Error()
	}
	return base, ""
}

func complaint(features wasm.Features, bin []byte) string {
	_, wrong := examine(features, bin)
	return wrong
}

// check generates a module and examines it.
func check(t *testing.T, data []byte) Trace {
	t.Helper()
	cfg := config(data)
	bin := modgen.Generate(data, cfg)
	trace, wrong := examine(cfg.Features, bin)
	if wrong != "" {
		path := filepath.Join(os.TempDir(), fmt.Sprintf("modgen-%08x.wasm", crc32.ChecksumIEEE(bin)))
		if err := os.WriteFile(path, bin, 0o644); err != nil {
			t.Error(err)
		}
		t.Fatalf("%s\nthe module is in %s", wrong, path)
	}
	return trace
}

// pauses pauses and resumes the Process from another goroutine for as long as the run takes.
func pauses(seed uint64) func(*spindle.Process) func() {
	return func(p *spindle.Process) func() {
		var wg sync.WaitGroup
		done := make(chan struct{})
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(seed, 1))
			// Each pause costs a round trip of two goroutines: so many that a run has some, so few that it ends.
			for range 40 {
				select {
				case <-done:
					return
				default:
				}
				if err := p.Pause(context.Background()); err == nil {
					if r.IntN(4) == 0 { // pauses nest
						if p.Pause(context.Background()) == nil {
							p.Resume()
						}
					}
					p.Resume()
				}
				for range r.IntN(1 << r.IntN(12)) {
					runtime.Gosched()
				}
			}
		}()
		return func() {
			close(done)
			wg.Wait()
		}
	}
}

// TestRuns: modules do the same however they are run.
func TestRuns(t *testing.T) {
	outcomes := map[string]int{}
	for i := range *seeds {
		seed := *first + i
		var trace Trace
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			trace = check(t, modgen.Seed(uint64(seed)))
		})
		for _, l := range trace {
			outcomes[Class(l)]++
		}
	}
	t.Log(outcomes)
}

var reduce = flag.String("reduce", "", "module to reduce for as long as its runs differ, or fail")

// TestReduce reduces a module that TestRuns or FuzzModules found, by hand: -run TestReduce -reduce file.
func TestReduce(t *testing.T) {
	if *reduce == "" {
		t.Skip("no -reduce")
	}
	b, err := os.ReadFile(*reduce)
	if err != nil {
		t.Fatal(err)
	}
	want := complaint(wasm.AllFeatures, b)
	t.Log(want)
	if want == "" {
		t.Fatal("nothing is wrong with it")
	}
	kind := func(s string) string { s, _, _ = strings.Cut(s, ":"); return s }
	small := modgen.Reduce(b, func(b []byte) bool { return kind(complaint(wasm.AllFeatures, b)) == kind(want) })
	if err := os.WriteFile(*reduce+".reduced", small, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes from %d: %s", len(small), len(b), complaint(wasm.AllFeatures, small))
}
