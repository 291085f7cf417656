package gcguests

import (
	"embed"
	"fmt"
	"strings"

	"github.com/spindle-wasm/spindle/internal/wat"
)

//go:embed loads/*.wat
var texts embed.FS

// A Load is a module with functions to call.
type Load struct {
	Name  string
	Calls []Call
}

// An End is how a call ends.
type End int

const (
	Returns End = iota
	Miscasts
	Throws
)

// A Call is one use of a load. Calls leave nothing behind that others would see.
type Call struct {
	Func string
	Args []int32
	// Want is the result, computed in Go. It is nil for calls that do not return.
	Want func() int64
	End  End
	// Heavy calls take seconds, or hundreds of MiB; large ones allocate more than a MiB or so.
	Heavy, Large bool
}

func (c Call) String() string {
	var args []string
	for _, a := range c.Args {
		args = append(args, fmt.Sprint(a))
	}
	return c.Func + "(" + strings.Join(args, ",") + ")"
}

// Text returns the module in the text format.
func (l Load) Text() []byte {
	b, err := texts.ReadFile("loads/" + l.Name + ".wat")
	if err != nil {
		panic(err) // Loads names a file that is not there
	}
	return b
}

// Module returns the module in the binary format.
func (l Load) Module() ([]byte, error) { return wat.Assemble(l.Text(), wat.Options{}) }

// Loads returns all of them.
func Loads() []Load {
	return []Load{
		{"trees", []Call{
			call(trees, "trees", 6),
			big(call(trees, "trees", 10)),
			heavy(call(trees, "trees", 16)),
		}},
		{"strings", []Call{
			call3(stringMap, "map", 300, 50, -1),
			big(call3(stringMap, "map", 20000, 3000, -1)),
			call3(stringMap, "map", 3000, 400, 7), // eight different hashes
			call3(stringMap, "map", 500, 100, 0),  // one
			call(buildString, "build", 1),
			call(buildString, "build", 20001),
			heavy(call3(stringMap, "map", 1_000_000, 200_000, -1)),
		}},
		{"lists", []Call{
			big(call(prepended, "prepend", 100_000)),
			big(call(appended, "append", 100_000)),
			big(call2(reversed, "reverse", 5000, 21)),
			big(call(spine, "spine", 100_000)),
			big(call(nested, "nested", 100_000)),
			heavy(call(prepended, "prepend", 10_000_000)),
			heavy(call(appended, "append", 10_000_000)),
			heavy(call2(reversed, "reverse", 3_000_000, 3)),
			heavy(call(spine, "spine", 3_000_000)),
			heavy(call(nested, "nested", 10_000_000)),
		}},
		{"graph", []Call{
			call2(mutate, "mutate", 1, 100),
			call2(mutate, "mutate", 50, 5000),
			big(call2(mutate, "mutate", 3000, 50_000)),
			heavy(call2(mutate, "mutate", 300_000, 3_000_000)),
		}},
		{"dispatch", []Call{
			call2(evaluate, "run", 3, 10),
			call2(evaluate, "run", 7, 5),
			big(call2(evaluate, "run", 10, 20)),
			{Func: "miscast", End: Miscasts},
			heavy(call2(evaluate, "run", 14, 100)),
		}},
		{"arrays", []Call{
			call2(slide, "slide", 100, 2000),
			call2(slide, "slide", 5000, 300),
			call2(sorted, "sort", 5, 1),
			big(call2(sorted, "sort", 10_000, 12345)),
			call(segments, "segments", 500),
			call(matrix, "matrix", 30),
			big(call2(large, "large", 100_000, 10)),
			heavy(call2(slide, "slide", 200_000, 2000)),
			heavy(call2(sorted, "sort", 1_000_000, 99)),
			heavy(call2(large, "large", 1<<21, 60)),
		}},
		{"exceptions", []Call{
			call2(unwind, "unwind", 30, 20),
			call2(unwind, "unwind", 1000, 3),
			call(keep, "keep", 300),
			call2(through, "through", 10, 100),
			call2(through, "through", 500, 2),
			{Func: "escape", Args: []int32{5}, End: Throws},
			heavy(call2(unwind, "unwind", 5000, 100)),
			heavy(call(keep, "keep", 100_000)),
		}},
		{"roots", []Call{
			big(call(deep, "deep", 20)),
			big(call(deep, "deep", 5000)),
			big(call(places, "places", 2000)),
			big(call(wide, "wide", 2000)),
			heavy(call(places, "places", 500_000)),
			heavy(call(wide, "wide", 500_000)),
		}},
	}
}

func call(f func(int32) int64, name string, n int32) Call {
	return Call{Func: name, Args: []int32{n}, Want: func() int64 { return f(n) }}
}

func call2(f func(a, b int32) int64, name string, a, b int32) Call {
	return Call{Func: name, Args: []int32{a, b}, Want: func() int64 { return f(a, b) }}
}

func call3(f func(a, b, c int32) int64, name string, a, b, c int32) Call {
	return Call{Func: name, Args: []int32{a, b, c}, Want: func() int64 { return f(a, b, c) }}
}

func heavy(c Call) Call {
	c.Heavy = true
	return c
}

func big(c Call) Call {
	c.Large = true
	return c
}

// mix is how all loads sum up.
func mix(h, x int64) int64 {
	u := (uint64(h) ^ uint64(x)) * 0x9E3779B97F4A7C15
	return int64(u ^ u>>29)
}

// random is the generator that loads have; its state is the seed.
type random uint32

// below returns a number below n.
func (r *random) below(n int) int {
	*r = *r*1664525 + 1013904223
	return int(uint32(*r)>>8) % n
}
