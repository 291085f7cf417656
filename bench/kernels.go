package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The modules are built from the C files beside them by build.sh, and checked
// in so that a run needs no C compiler.
//
//go:embed kernels/*.wasm calls/*.wasm guests/tiny/tiny.wasm
var modules embed.FS

// A Kernel is a module with one export, run: i32 → i64. The argument is the
// amount of work, the result a checksum over all of it.
type Kernel struct {
	Name string
	Kind string // what it exercises, one or two words
	N    int32  // the argument: about 0.3 s of wazero's interpreter
	// Check is an argument for tests: milliseconds of any interpreter.
	Check int32
}

// kernels is the table's order: by kind, as a reader looks for them.
var kernels = []Kernel{
	{"collatz", "integer", 25000, 300},
	{"mixer", "integer", 1500000, 1000},
	{"mandelbrot", "float", 136, 12},
	{"nbody", "float", 28000, 50},
	{"matmul", "float, memory", 4, 1},
	{"fib", "calls", 30, 12},
	{"icall", "indirect calls", 600, 3},
	{"sieve", "memory", 4, 1},
	{"hashmap", "memory", 450000, 2000},
	{"list", "memory", 35, 1},
	{"quicksort", "sort", 6, 1},
	{"sha256", "integer, memory", 5, 1},
	{"utf8", "strings", 20, 1},
	{"bytecode", "br_table", 500, 2},
	{"bulk", "bulk memory", 320000, 2000},
	{"dot_simd", "SIMD f32 i32", 500, 2},
	{"blur_simd", "SIMD i8 i16", 30, 1},
	{"search_simd", "SIMD i8", 130, 2},
}

// load reads the kernel's module: from dir if that is set, else the embedded.
func (k Kernel) load(dir string) ([]byte, error) {
	if dir != "" {
		return fs.ReadFile(os.DirFS(dir), k.Name+".wasm")
	}
	return modules.ReadFile("kernels/" + k.Name + ".wasm")
}

// matches tells whether one of the names holds one of the words of filter,
// which commas part. Everything matches an empty filter.
func matches(filter string, names ...string) bool {
	for word := range strings.SplitSeq(filter, ",") {
		for _, name := range names {
			if strings.Contains(name, word) {
				return true
			}
		}
	}
	return false
}

// selectKernels keeps the kernels whose name or kind matches the filter.
func selectKernels(filter string) ([]Kernel, error) {
	var out []Kernel
	for _, k := range kernels {
		if matches(filter, k.Name, k.Kind) {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no kernel matches %q", filter)
	}
	return out, nil
}
