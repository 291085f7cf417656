package oracle

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Rounds is the number of times that each export is called.
const Rounds = 2

// Trace is what a run did, line by line.
type Trace []string

// Add appends a line.
func (t *Trace) Add(format string, args ...any) { *t = append(*t, fmt.Sprintf(format, args...)) }

// Exhausted reports whether the guest ran out of stack: how deep it came depends on the engine.
func (t Trace) Exhausted() bool {
	for _, l := range t {
		if strings.Contains(l, StackExhausted) {
			return true
		}
	}
	return false
}

// StackExhausted is the class of that trap.
const StackExhausted = "stack exhausted"

// Diff returns the first line that differs, with what came right before; empty if the traces are equal.
func Diff(a, b Trace) string {
	for i := range max(len(a), len(b)) {
		x, y := "(nothing)", "(nothing)"
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return fmt.Sprintf("line %d:\n  %s\n  %s", i, x, y)
		}
	}
	return ""
}

// Args returns arguments in slot form for a function, the same for the same function and round. References are numbers here:
// the runner makes an externref of it, an i31 or null; ok is false if there is no argument for a type.
func Args(params []wasm.ValType, fn string, round int) (args []uint64, ok bool) {
	h := fnv.New64a()
	fmt.Fprint(h, fn, round)
	next := func() uint64 {
		h.Write([]byte{1})
		return h.Sum64()
	}
	for _, p := range params {
		r := next()
		small := round == 0
		switch p {
		case wasm.I32:
			if small {
				r &= 15
			}
			args = append(args, r&math.MaxUint32)
		case wasm.I64:
			if small {
				r &= 15
			}
			args = append(args, r)
		case wasm.F32:
			args = append(args, uint64(math.Float32bits(float32(int32(r))/16)))
		case wasm.F64:
			args = append(args, math.Float64bits(float64(int32(r))/16))
		case wasm.V128:
			args = append(args, r, next())
		default:
			if !p.Nullable() {
				return nil, false
			}
			args = append(args, r%3)
		}
	}
	return args, true
}

// HostResult is what host functions answer: a value in slot form that depends on the arguments and on the number of calls
// so far. No NaNs.
func HostResult(t wasm.ValType, args []uint64, calls int) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, args, calls)
	r := h.Sum64()
	switch t {
	case wasm.I32:
		return r & math.MaxUint32
	case wasm.F32:
		return uint64(math.Float32bits(float32(int32(r)) / 16))
	case wasm.F64:
		return math.Float64bits(float64(int32(r)) / 16)
	}
	return r
}

// MaxNesting bounds how deep host functions call back.
const MaxNesting = 8

// CallsBack reports whether the n-th call of host functions calls back into the guest.
func CallsBack(n int) bool { return n%3 == 2 }

// Values writes values in slot form; ref tells what a reference is.
func Values(types []wasm.ValType, slots []uint64, ref func(t wasm.ValType, v uint64) string) string {
	var parts []string
	for _, t := range types {
		v := slots[0]
		slots = slots[1:]
		switch {
		case t == wasm.I32 || t == wasm.F32:
			parts = append(parts, fmt.Sprintf("%s:%#x", t, uint32(v)))
		case t == wasm.V128:
			parts = append(parts, fmt.Sprintf("v128:%#016x:%#016x", v, slots[0]))
			slots = slots[1:]
		case t.IsRef():
			parts = append(parts, ref(t, v))
		default:
			parts = append(parts, fmt.Sprintf("%s:%#x", t, v))
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// Memory sums up a memory's contents.
func Memory(b []byte) string {
	h := fnv.New64a()
	// Most of a memory is zero: only what is not counts, with its place.
	const chunk = 256
	for i := 0; i < len(b); i += chunk {
		part := b[i:min(i+chunk, len(b))]
		for _, c := range part {
			if c != 0 {
				fmt.Fprint(h, i)
				h.Write(part)
				break
			}
		}
	}
	return fmt.Sprintf("%d pages, %016x", len(b)/wasm.PageSize, h.Sum64())
}

// Class sums up a line of a trace for statistics: a trap or exception, or that there was none.
func Class(line string) string {
	_, what, ok := strings.Cut(line, ": ")
	switch {
	case !ok:
		return "other"
	case strings.HasPrefix(what, "exception"):
		return "exception"
	case strings.HasPrefix(what, "["):
		return "results"
	case strings.HasPrefix(what, "trap: "), what == "ok", what == StackExhausted:
		return what
	}
	return "state"
}
