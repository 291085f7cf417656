package wast

import (
	"fmt"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// matchAll compares results with their patterns.
func (r *runner) matchAll(got values, want []wat.Result) error {
	if len(got.types) != len(want) {
		return fmt.Errorf("%d results, want %d", len(got.types), len(want))
	}
	at := 0
	for i, t := range got.types {
		v := got.slots[at : at+t.Slots()]
		at += len(v)
		if !r.match(t, v, &want[i]) {
			return fmt.Errorf("result %d is %s, want %s", i, r.format(t, v), formatPattern(&want[i]))
		}
	}
	return nil
}

func (r *runner) match(t spindle.ValueType, v []uint64, want *wat.Result) bool {
	switch want.Kind {
	case wat.ResultEither:
		for i := range want.Either {
			if r.match(t, v, &want.Either[i]) {
				return true
			}
		}
		return false
	case wat.ResultNaN:
		return t == want.Value.Type && want.NaN.Matches(v[0], bitsOf(t)) && (t != wasm.F32 || v[0]>>32 == 0)
	case wat.ResultNull:
		return t.IsRef() && v[0] == 0
	case wat.ResultRef:
		return t.IsRef() && v[0] != 0 && r.matchRef(t, v[0], want.Heap)
	}
	switch {
	case want.Value.Type.IsRef():
		x, ok := r.hostValue(t, v[0])
		return ok && uint64(x) == want.Value.Bits
	case t != want.Value.Type:
		return false
	case t == wasm.V128:
		return matchLanes(v, want)
	}
	// The whole slot: values of 32 bits are zero-extended.
	return v[0] == want.Value.Bits
}

func (r *runner) hostValue(t spindle.ValueType, ref uint64) (hostValue, bool) {
	if h := t.Heap().Top(); t.Heap().Concrete() || ref == 0 || h != wasm.HeapExtern && h != wasm.HeapAny {
		return 0, false
	}
	x, ok := r.proc.ExternValue(ref)
	if !ok {
		return 0, false
	}
	v, ok := x.(hostValue)
	return v, ok
}

// matchRef reports whether a reference, not null, is of an abstract heap type.
func (r *runner) matchRef(t spindle.ValueType, ref uint64, want wasm.HeapType) bool {
	inAny := t.Heap().Concrete() || t.Heap().Top() == wasm.HeapAny
	_, isI31 := spindle.I31Value(ref)
	_, isHost := r.proc.ExternValue(ref)
	switch want {
	case wasm.HeapFunc:
		return t.Heap().Concrete() || t.Heap().Top() == wasm.HeapFunc
	case wasm.HeapExtern, wasm.HeapExn:
		return !t.Heap().Concrete() && t.Heap().Top() == want
	case wasm.HeapAny:
		return inAny
	case wasm.HeapEq:
		return inAny && !isHost
	case wasm.HeapI31:
		return inAny && isI31
	}
	return inAny && !isI31 && !isHost // a structure or an array
}

func matchLanes(v []uint64, want *wat.Result) bool {
	if len(want.Lanes) == 0 {
		return v[0] == want.Value.Bits && v[1] == want.Value.High
	}
	width := 128 / len(want.Lanes)
	for i, l := range want.Lanes {
		got := v[i*width/64] >> (i * width % 64)
		if width < 64 {
			got &= 1<<width - 1
		}
		if l.NaN == wat.NotNaN && got != l.Bits || l.NaN != wat.NotNaN && !l.NaN.Matches(got, width) {
			return false
		}
	}
	return true
}

func bitsOf(t spindle.ValueType) int {
	if t == wasm.F32 || t == wasm.I32 {
		return 32
	}
	return 64
}
