package oracle

import (
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

var (
	seeds     = flag.Int("seeds", 300, "modules to run")
	first     = flag.Int("first", 0, "first seed")
	forkCount = flag.Int("forks", 300, "forks of random modules")
	reduce    = flag.String("reduce", "", "module to reduce for as long as its runs differ, or fail")
)

// config varies with the choices, so that the fuzzer can choose too.
func config(data []byte) modgen.Config {
	cfg := modgen.Config{Features: wasm.AllFeatures, Imports: true, Aggregates: true}
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

// keep writes a module down for whoever looks into a failure.
func keep(t *testing.T, bin []byte) {
	t.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("modgen-%08x.wasm", crc32.ChecksumIEEE(bin)))
	if err := os.WriteFile(path, bin, 0o644); err != nil {
		t.Error(err)
	}
	t.Logf("the module is in %s", path)
}

// check generates a module and examines it.
func check(t *testing.T, data []byte) Trace {
	t.Helper()
	cfg := config(data)
	bin := modgen.Generate(data, cfg)
	if err := RoundTrip(bin); err != nil {
		keep(t, bin)
		t.Fatal("round trip:", err)
	}
	trace, wrong := Examine(cfg.Features, bin)
	if wrong != "" {
		keep(t, bin)
		t.Fatal(wrong)
	}
	return trace
}

// TestRuns: modules do the same however they are run.
func TestRuns(t *testing.T) {
	outcomes := map[string]int{}
	for i := range *seeds {
		seed := *first + i
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			for _, l := range check(t, modgen.Seed(uint64(seed))) {
				outcomes[Class(l)]++
			}
		})
	}
	t.Log(outcomes)
	if outcomes["results"] < *seeds || outcomes["exception"] == 0 {
		t.Errorf("too little happens to learn from: %v", outcomes)
	}
}

// FuzzModules is TestRuns for choices that the fuzzer makes.
func FuzzModules(f *testing.F) {
	for seed := range 20 {
		f.Add(modgen.Seed(uint64(seed)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data) })
}

// FuzzDecodeValidateRun takes bytes for a module, valid modules at first.
func FuzzDecodeValidateRun(f *testing.F) {
	for seed := range 60 {
		f.Add(modgen.Generate(modgen.Seed(uint64(seed)), modgen.Config{Features: wasm.AllFeatures, Imports: true, Aggregates: seed%2 == 0, MaxInstrs: 60}))
	}
	for _, b := range cases(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if wrong := Survive(b); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// TestMutations is FuzzDecodeValidateRun with a few mutations of its own.
func TestMutations(t *testing.T) {
	valid := 0
	for seed := range *seeds {
		b := modgen.Generate(modgen.Seed(uint64(seed)), modgen.Config{Features: wasm.AllFeatures, Aggregates: true, MaxInstrs: 60})
		noise := modgen.Seed(uint64(seed) + 1<<32)
		for k := 0; k+4 < min(len(noise), 40); k += 4 {
			m := append([]byte(nil), b...)
			at := (int(noise[k])<<16 | int(noise[k+1])<<8 | int(noise[k+2])) % len(m)
			m[at] = noise[k+3]
			if _, err := wasm.Decode(m, wasm.DecodeOptions{Features: wasm.AllFeatures}); err == nil {
				valid++
			}
			if wrong := Survive(m); wrong != "" {
				keep(t, m)
				t.Fatal(wrong)
			}
		}
	}
	if valid < *seeds {
		t.Errorf("only %d mutations could be decoded", valid)
	}
}

// cases returns what once was found, reduced: see testdata.
func cases(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.wat")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases: ", err)
	}
	list := map[string][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if list[filepath.Base(f)], err = wat.Assemble(text, wat.Options{}); err != nil {
			t.Fatal(f, err)
		}
	}
	return list
}

// TestCases runs what once was found again: what TestReduce made of it, printed and explained.
func TestCases(t *testing.T) {
	for name, b := range cases(t) {
		t.Run(name, func(t *testing.T) {
			if wrong := Survive(b); wrong != "" {
				t.Error("survive:", wrong)
			}
			if _, wrong := Examine(wasm.AllFeatures, b); wrong != "" {
				t.Error("examine:", wrong)
			}
		})
	}
}

// TestReduce reduces a module that another test found, by hand: -run TestReduce -reduce file.
func TestReduce(t *testing.T) {
	if *reduce == "" {
		t.Skip("no -reduce")
	}
	b, err := os.ReadFile(*reduce)
	if err != nil {
		t.Fatal(err)
	}
	complaint := func(b []byte) string {
		if _, wrong := Examine(wasm.AllFeatures, b); wrong != "" {
			return wrong
		}
		return Survive(b)
	}
	want := complaint(b)
	t.Log(want)
	if want == "" {
		t.Fatal("nothing is wrong with it")
	}
	kind := func(s string) string { s, _, _ = strings.Cut(s, ":"); return s }
	small := modgen.Reduce(b, func(b []byte) bool { return kind(complaint(b)) == kind(want) })
	if err := os.WriteFile(*reduce+".reduced", small, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes from %d: %s", len(small), len(b), complaint(small))
}

// TestForkedRuns sees that the variations with forks have some, and in larger numbers finds what a few of them do not: -forks.
func TestForkedRuns(t *testing.T) {
	n := 0
	for seed := 0; n < *forkCount; seed++ {
		data := modgen.Seed(uint64(*first + seed))
		cfg := config(data)
		bin := modgen.Generate(data, cfg)
		support, err := modgen.Support(bin)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSpindle(cfg.Features, bin, support)
		if err != nil {
			t.Fatal(err)
		}
		plans := spindle.GCPlans()
		gc := spindle.GCConfig{Plan: plans[seed%len(plans)], Stress: 1 + seed%13, Sanity: true, Workers: 1 + seed%2}
		base, err := s.Run(t.Context(), Options{Tables: true, GC: gc})
		if err != nil {
			t.Fatal(seed, err)
		}
		for _, files := range []bool{false, true} {
			trace, err := s.Run(t.Context(), Options{Tables: true, GC: gc, Forks: &Forks{Seed: uint64(seed), Max: 40, Files: files}})
			d := Diff(base, trace)
			if err == nil && d != "" {
				err = errors.New(d)
			}
			if err != nil {
				keep(t, bin)
				t.Fatalf("seed %d, plan %s, files %v: %v", *first+seed, gc.Plan, files, err)
			}
		}
		n += s.Forked()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
