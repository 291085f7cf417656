package wasm_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

const header = "\x00asm\x01\x00\x00\x00"

// binSection encodes a section.
func binSection(id byte, content []byte) []byte {
	return append(binary.AppendUvarint([]byte{id}, uint64(len(content))), content...)
}

// TestTruncated cuts the modules of the official suites at every place (the first ones of each length): each piece is malformed,
// or a module that ends at a section.
func TestTruncated(t *testing.T) {
	ts := wasm.NewTypeSpace()
	done := map[int]int{}
	suiteModules(t, func(where string, off wasm.Features, c wat.Command, bin []byte) {
		if _, err := check(bin, ts, off); err != nil || len(bin) > 1000 || done[len(bin)] > 4 {
			return
		}
		done[len(bin)]++
		for n := range bin {
			if _, err := check(bin[:n], ts, off); kindOf(err) == "untyped" {
				t.Fatalf("%s cut at %d: %v", where, n, err)
			} else if n < 8 && kindOf(err) != "malformed" {
				t.Fatalf("%s cut at %d: %v", where, n, err)
			}
		}
	})
	if len(done) < 100 {
		t.Errorf("only %d lengths of modules were cut", len(done))
	}
}

// TestMutated changes bytes at random: whatever comes of it, the verdict is typed, the same each time, and the same for any number
// of workers.
func TestMutated(t *testing.T) {
	ts := wasm.NewTypeSpace()
	rng := rand.New(rand.NewPCG(7, 8))
	verdicts := map[string]int{}
	suiteModules(t, func(where string, off wasm.Features, c wat.Command, bin []byte) {
		if len(bin) < 9 || len(bin) > 20000 {
			return
		}
		for range 3 {
			mutant := bytes.Clone(bin)
			for range 1 + rng.IntN(3) {
				i := 8 + rng.IntN(len(mutant)-8)
				if rng.IntN(2) == 0 {
					mutant[i] ^= 1 << rng.IntN(8)
				} else {
					mutant[i] = byte(rng.Uint32())
				}
			}
			m, err := wasm.Decode(mutant, wasm.DecodeOptions{Features: wasm.AllFeatures})
			if err == nil {
				err = wasm.Validate(m, ts, wasm.ValidateOptions{Workers: 1})
			}
			_, again := check(mutant, ts, 0)
			if kind := kindOf(err); kind == "untyped" || !reflect.DeepEqual(err, again) {
				t.Fatalf("%s: % x: %v, then %v", where, mutant, err, again)
			} else {
				verdicts[kind]++
			}
		}
	})
	for _, kind := range []string{"valid", "malformed", "invalid"} {
		if verdicts[kind] < 100 {
			t.Errorf("verdicts are too uneven to mean much: %v", verdicts)
		}
	}
}

// TestLyingCounts: memory is taken by what is there, not by what a count claims.
func TestLyingCounts(t *testing.T) {
	fills := map[string][]byte{
		"nothing": nil, "zeros": make([]byte, 1<<16), "functions": bytes.Repeat([]byte("\x60\x00\x00"), 1<<14),
		"ones": bytes.Repeat([]byte{1}, 1<<16), "runs": bytes.Repeat([]byte{0, 0x7F}, 1<<15),
	}
	for id := byte(1); id <= 13; id++ {
		for _, count := range []uint64{90, 60_000, 999_999, 9_999_999, 1<<32 - 1} {
			for name, fill := range fills {
				content := append(binary.AppendUvarint(nil, count), fill...)
				bin := []byte(header)
				if id == 10 {
					// A code section is compared to the function section at once; here its first body lies about its locals.
					bin = append(bin, "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00"...)
					content = append([]byte{1}, binSection(0, content)[1:]...)
				}
				bin = append(bin, binSection(id, content)...)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
				runtime.ReadMemStats(&after)
				if kindOf(err) == "untyped" {
					t.Fatal(err)
				}
				// The largest item to the byte is an element segment: 3 bytes make some 150, slices grow by doubling.
				if used, most := after.TotalAlloc-before.TotalAlloc, uint64(len(bin))*160+64<<10; used > most {
					t.Errorf("section %d claiming %d items in %d bytes of %s took %d bytes (%v)", id, count, len(fill), name, used, err)
				}
			}
		}
	}
}

func TestLimits(t *testing.T) {
	all := wasm.DecodeOptions{Features: wasm.AllFeatures}
	with := func(set func(*wasm.DecodeOptions)) wasm.DecodeOptions {
		o := all
		set(&o)
		return o
	}
	for _, c := range []struct {
		limit, src string
		opts       wasm.DecodeOptions
	}{
		{"bytes of a module", "(module (func))", with(func(o *wasm.DecodeOptions) { o.MaxModuleSize = 12 })},
		{"types", "(module (type (func)) (type (func (param i32))))", with(func(o *wasm.DecodeOptions) { o.MaxTypes = 1 })},
		{"types", "(module (rec (type (func)) (type (struct))))", with(func(o *wasm.DecodeOptions) { o.MaxTypes = 1 })},
		{"fields", "(module (type (struct (field i32 i32))))", with(func(o *wasm.DecodeOptions) { o.MaxFields = 1 })},
		{"imports", `(module (import "" "" (func)) (import "" "" (func)))`, with(func(o *wasm.DecodeOptions) { o.MaxImports = 1 })},
		{"functions", `(module (import "" "" (func)) (func))`, with(func(o *wasm.DecodeOptions) { o.MaxFuncs = 1 })},
		{"tables", `(module (import "" "" (table 1 funcref)) (table 1 funcref))`, with(func(o *wasm.DecodeOptions) { o.MaxTables = 1 })},
		{"memories", "(module (memory 1) (memory 1))", with(func(o *wasm.DecodeOptions) { o.MaxMemories = 1 })},
		{"tags", "(module (tag) (tag))", with(func(o *wasm.DecodeOptions) { o.MaxTags = 1 })},
		{"globals", `(module (import "" "" (global i32)) (global i32 (i32.const 0)))`, with(func(o *wasm.DecodeOptions) { o.MaxGlobals = 1 })},
		{"exports", `(module (memory (export "a") (export "b") 1))`, with(func(o *wasm.DecodeOptions) { o.MaxExports = 1 })},
		{"element segments", "(module (func $f) (elem func $f) (elem func $f))", with(func(o *wasm.DecodeOptions) { o.MaxElemSegments = 1 })},
		{"elements of a segment", "(module (func $f) (elem func $f $f))", with(func(o *wasm.DecodeOptions) { o.MaxElements = 1 })},
		{"data segments", `(module (data "") (data ""))`, with(func(o *wasm.DecodeOptions) { o.MaxDataSegments = 1 })},
		{"bytes of a function body", "(module (func nop nop))", with(func(o *wasm.DecodeOptions) { o.MaxBodySize = 3 })},
		{"locals of a function", "(module (func (local i32 i64)))", with(func(o *wasm.DecodeOptions) { o.MaxLocals = 1 })},
		{"parameters", "(module (func (param i32 i64)))", with(func(o *wasm.DecodeOptions) { o.MaxParams = 1 })},
		{"results", "(module (type (func (result i32 i64))))", with(func(o *wasm.DecodeOptions) { o.MaxResults = 1 })},
		{"locals of a function", "(module (func (local" + strings.Repeat(" i32", 50_001) + ")))", all},
		{"parameters", "(module (func (param" + strings.Repeat(" i32", 1_001) + ")))", all},
		{"memories", "(module" + strings.Repeat("(memory 0)", 101) + ")", all},
	} {
		bin, err := wat.Assemble([]byte(c.src), wat.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = wasm.Decode(bin, c.opts)
		if e, ok := err.(*wasm.LimitError); !ok || e.Limit != c.limit || e.Got <= e.Max {
			t.Errorf("%.60s: %v, want the limit on %s", c.src, err, c.limit)
		}
	}
}

// TestLowestFunctionWins: with several invalid functions far apart, the first one is reported whatever runs in parallel.
func TestLowestFunctionWins(t *testing.T) {
	filler := strings.Repeat("(drop (i32.add (i32.const 1) (i32.const 2)))", 3000)
	var src strings.Builder
	src.WriteString("(module ")
	for i := range 100 {
		if i >= 37 && i%7 == 2 {
			src.WriteString("(func (drop))")
		} else {
			src.WriteString("(func " + filler + ")")
		}
	}
	src.WriteString(")")
	bin, err := wat.Assemble([]byte(src.String()), wat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
		if err != nil {
			t.Fatal(err)
		}
		err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{Workers: 1 + i%8})
		if e, ok := err.(*wasm.ValidationError); !ok || e.Func != 37 || e.Offset != m.Bodies[37].Offset {
			t.Fatalf("with %d workers: %v", 1+i%8, err)
		}
	}
}

// TestMalformedBeforeInvalid: being malformed decides even if the malformed place comes after an invalid one.
func TestMalformedBeforeInvalid(t *testing.T) {
	bin := []byte(header + "\x01\x04\x01\x60\x00\x00\x03\x03\x02\x00\x00")
	code := []byte{2, 3, 0, 0x1A, 0x0B /* drop of nothing */, 4, 0, 0x41}
	for tail, want := range map[string]string{
		"\xFF\x0B": "malformed", // no end
		"\x00\xFF": "malformed", // no such opcode
		"\x00\x05": "malformed", // else without if
		"\x00\x0B": "invalid",
	} {
		bin := append(bytes.Clone(bin), binSection(10, append(bytes.Clone(code), tail...))...)
		if _, err := check(bin, wasm.NewTypeSpace(), 0); kindOf(err) != want {
			t.Errorf("% x: %v, want %s", tail, err, want)
		}
	}
}

// TestErrorsNameFunctions: errors in a body name its function, whatever their kind; others say that they are in none.
func TestErrorsNameFunctions(t *testing.T) {
	// Function 0 is imported, 1 is empty, 2 is what is tried.
	module := func(body string) []byte {
		return hostile(binSection(1, []byte("\x01\x60\x00\x00")), binSection(2, []byte("\x01\x00\x00\x00\x00")), binSection(3, []byte("\x02\x00\x00")),
			binSection(10, append([]byte{2}, append(entry(0, 0x0B), entry([]byte(body)...)...)...)))
	}
	for _, c := range []struct {
		bin  []byte
		off  wasm.Features
		kind string
		fn   int64
	}{
		{module("\x00\xFF\x0B"), 0, "malformed", 2},                  // no such opcode
		{module("\x00\x05\x0B"), 0, "malformed", 2},                  // else without if
		{module("\x00\x01"), 0, "malformed", 2},                      // no end
		{module("\x00\x0B\x01\x0B"), 0, "malformed", 2},              // two ends
		{module("\x00\x1A\xFF"), 0, "malformed", 2},                  // invalid, and malformed behind
		{module("\x01\x01\x40\x0B"), 0, "malformed", 2},              // locals of no type
		{module("\x00\xFC\x09\x00\x0B"), 0, "malformed", 2},          // no data count section
		{module("\x00\x06\x40\x0B\x0B"), 0, "feature", 2},            // legacy exceptions
		{module("\x01\x01\x7B\x0B"), wasm.FeatureSimd, "feature", 2}, // a local
		{module("\x00\x12\x00\x0B"), wasm.FeatureTailCall, "feature", 2},
		{module("\x01\xC0\xC4\x07\x7F\x0B"), 0, "limit", 2}, // 123,456 locals
		{module("\x00\x1A\x0B"), 0, "invalid", 2},
		{hostile(binSection(1, []byte("\x01\x40"))), 0, "malformed", -1},
		{hostile(binSection(5, []byte("\x01\x03\x00\x00"))), wasm.FeatureThreads, "feature", -1},
		{hostile(binSection(6, []byte("\x01\x7F\x00\xFF\x0B"))), 0, "malformed", -1},
		{hostile(binSection(6, []byte("\x01\x7F\x00\x0B"))), 0, "invalid", -1},
		{hostile(binSection(5, vector(101, 0, 0))), 0, "limit", -1},
		{[]byte("\x00asm"), 0, "malformed", -1},
	} {
		_, err := check(c.bin, wasm.NewTypeSpace(), c.off)
		if kindOf(err) != c.kind {
			t.Errorf("% x: %v, want %s", c.bin[8:], err, c.kind)
			continue
		}
		if fn := reflect.ValueOf(err).Elem().FieldByName("Func").Int(); fn != c.fn {
			t.Errorf("% x: %v: in function %d, want %d", c.bin, err, fn, c.fn)
		}
		if said := strings.Contains(err.Error(), "function 2,"); said != (c.fn == 2) {
			t.Errorf("%v: does not name function %d", err, c.fn)
		}
	}
}

func TestCustomSections(t *testing.T) {
	bin := []byte(header)
	bin = append(bin, binSection(0, []byte("\x01afirst"))...)
	bin = append(bin, "\x01\x01\x00"...)
	bin = append(bin, binSection(0, []byte("\x01b"))...)
	bin = append(bin, "\x05\x01\x00"...)
	bin = append(bin, binSection(0, []byte("\x01csecond"))...)
	m, err := check(bin, wasm.NewTypeSpace(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range m.Customs {
		got = append(got, fmt.Sprintf("%s=%s after %d", c.Name, c.Data, c.After))
	}
	if s := strings.Join(got, ", "); s != "a=first after 0, b= after 1, c=second after 5" {
		t.Error(s)
	}
}

func FuzzDecodeValidate(f *testing.F) {
	f.Add([]byte(header))
	seen := map[string]bool{}
	suiteModules(f, func(where string, off wasm.Features, c wat.Command, bin []byte) {
		// One valid and one refused module of each script make a corpus that loads at once.
		script, _, _ := strings.Cut(where, ":")
		key := fmt.Sprint(script, c.Kind)
		if !seen[key] && len(bin) < 5000 {
			seen[key] = true
			f.Add(bin)
		}
	})
	ts := wasm.NewTypeSpace()
	f.Fuzz(func(t *testing.T, bin []byte) {
		m, err := check(bin, ts, 0)
		_, again := check(bin, ts, 0)
		if !reflect.DeepEqual(err, again) {
			t.Fatalf("%v, then %v", err, again)
		}
		if kindOf(err) == "untyped" {
			t.Fatalf("%T: %v", err, err)
		}
		if err != nil {
			return
		}
		// A valid module is valid with the features that it uses, and its typed view has no errors.
		if _, err := check(bin, ts, wasm.AllFeatures&^m.Used); err != nil {
			t.Fatalf("with %v only: %v", m.Used, err)
		}
		var v wasm.FuncValidator
		var r wasm.InstrReader
		var in wasm.Instr
		for i, b := range m.Bodies {
			if err := v.Reset(m, uint32(m.NumImportedFuncs+i)); err != nil {
				t.Fatal(err)
			}
			r.Reset(b.Code, b.Offset)
			for r.More() {
				if err := r.Next(&in); err != nil {
					t.Fatal(err)
				}
				for d := range v.Height() {
					v.TypeAt(d)
				}
				if err := v.Step(&in); err != nil {
					t.Fatal(err)
				}
			}
			m.FuncName(uint32(i))
		}
	})
}
