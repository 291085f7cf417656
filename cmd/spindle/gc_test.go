package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// TestGCFlags runs a program under every plan in a small heap, and reads what the command says of the collections.
func TestGCFlags(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`^gc: plan (\S+), heap of at most (?:1|64)\.0 MiB
gc: (\d+) collections, (\d+) of the whole heap
gc: \S+ in pauses, \S+ in the longest one; \S+ of it until all threads stood
gc: [\d.]+ \S+ in use at the end, [\d.]+ \S+ at most(; the last collection of the whole heap left \d+ objects of [\d.]+ \S+)?
$`)
	for _, plan := range spindle.GCPlans() {
		size := "1MiB"
		switch plan {
		case "nogc", "pageprotect": // which has a page for each object
			size = "64MiB"
		}
		res := runSpindle(t, "testdata", nil, "run", "--gc", plan, "--gc-heap", size, "--gc-workers", "2", "--gc-stats", "--invoke", "make", "gc.wat", "60000")
		m := want.FindStringSubmatch(res.stderr)
		if res.code != 0 || m == nil || !strings.EqualFold(m[1], plan) || (m[2] == "0") != (plan == "nogc") {
			t.Errorf("%s: exit code %d, %q", plan, res.code, res.stderr)
		}
	}
	res := runSpindle(t, "testdata", nil, "run", "--invoke", "make", "--gc-stats", "gc.wat", "1000")
	if res.code != 0 || res.stdout != "10\n" || !strings.Contains(res.stderr, "gc: plan StickyImmix, heap of at most 256.0 MiB\ngc: 0 collections") {
		t.Errorf("%+v", res)
	}
	res = runSpindle(t, "testdata", nil, "run", "--gc-stats", "--gc-heap", "64KiB", "gc.wat")
	if res.code != 134 || !strings.Contains(res.stderr, "allocation failure: out of memory: the GC heap has at most 65536 bytes") || !strings.Contains(res.stderr, "make") ||
		!strings.Contains(res.stderr, "gc: plan StickyImmix, heap of at most 64.0 KiB") {
		t.Errorf("%+v", res)
	}
}

// TestGCTrace reads the trace that the command writes.
func TestGCTrace(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gc.json")
	res := runSpindle(t, "testdata", nil, "run", "--gc", "immix", "--gc-heap", "4MiB", "--gc-trace", file, "gc.wat")
	if res.code != 0 || res.stderr != "" {
		t.Fatalf("%+v", res)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var events []map[string]any
	if err := json.Unmarshal(b, &events); err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, e := range events {
		names[fmt.Sprint(e["name"])]++
	}
	if names["collection"] == 0 || len(names) < 3 {
		t.Errorf("%v", names)
	}
	res = runSpindle(t, "testdata", nil, "run", "--gc-trace", filepath.Join(t.TempDir(), "no", "dir"), "gc.wat")
	if res.code != 1 || !strings.Contains(res.stderr, filepath.Join("no", "dir")) {
		t.Errorf("%+v", res)
	}
}

// TestGCUsage: wrong flags say what is right; a program without objects has no heap.
func TestGCUsage(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"--gc=refcount", "stickyimmix"}, {"--gc-heap=5GiB", "4 GiB"}, {"--gc-heap=much", "size"}, {"--gc-workers=-1", "negative"},
	} {
		if res := runSpindle(t, "testdata", nil, "run", c[0], "gc.wat"); res.code != 2 || !strings.Contains(res.stderr, c[1]) {
			t.Errorf("%s: exit code %d, %q", c[0], res.code, res.stderr)
		}
	}
	file := filepath.Join(t.TempDir(), "plain.wat")
	if err := os.WriteFile(file, []byte(`(module (func (export "_start")))`), 0o666); err != nil {
		t.Fatal(err)
	}
	if res := runSpindle(t, ".", nil, "run", "--gc-stats", file); res.code != 0 || res.stderr != "gc: no heap: the program has no structs or arrays\n" {
		t.Errorf("%+v", res)
	}
}
