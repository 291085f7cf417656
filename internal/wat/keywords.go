package wat

import (
	"bytes"
	"strings"
	"sync"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// opcodes maps the text format's keywords to opcodes. Of two encodings with one keyword (select, ref.test, ref.cast) it has the
// first; the immediates choose.
var opcodes = sync.OnceValue(func() map[string]wasm.Opcode {
	m := make(map[string]wasm.Opcode, 700)
	for op := wasm.Opcode(0); op < wasm.NumOpcodes; op++ {
		if name := op.Info().Name; name != "" {
			if _, dup := m[name]; !dup {
				m[name] = op
			}
		}
	}
	return m
})

// keywords are those that are no instructions. They matter only for the choice between two error messages.
var keywords = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`i8 i16 i32 i64 f32 f64 v128 i8x16 i16x8 i32x4 i64x2 f32x4 f64x2
		any none anyref nullref eq eqref i31 i31ref struct structref array arrayref exn noexn exnref nullexnref
		func nofunc funcref nullfuncref extern noextern externref nullexternref ref null mut field sub final rec
		type param result local then do catch catch_ref catch_all catch_all_ref
		start offset item declare module table memory global tag elem data import export shared
		script register invoke get definition instance binary quote assert_malformed assert_invalid assert_unlinkable
		assert_return assert_trap assert_exception assert_exhaustion assert_malformed_custom assert_invalid_custom
		thread wait either ref.extern ref.host ref.struct ref.array ref.any ref.exn nan:canonical nan:arithmetic input output
		inf nan`) {
		m[w] = true
	}
	return m
})

// knownWord reports whether the text format has such a keyword.
func knownWord(w []byte) bool {
	if _, ok := opcodes()[string(w)]; ok || keywords()[string(w)] {
		return true
	}
	for _, key := range [...]string{"offset=", "align="} {
		if v, ok := bytes.CutPrefix(w, []byte(key)); ok {
			_, status := parseNat(v)
			return status != numBad
		}
	}
	return isNumber(w)
}

// heapTypes are the abstract heap types (specification: Text Format, Heap Types).
var heapTypes = map[string]wasm.HeapType{
	"any": wasm.HeapAny, "eq": wasm.HeapEq, "i31": wasm.HeapI31, "struct": wasm.HeapStruct, "array": wasm.HeapArray, "none": wasm.HeapNone,
	"func": wasm.HeapFunc, "nofunc": wasm.HeapNoFunc, "extern": wasm.HeapExtern, "noextern": wasm.HeapNoExtern,
	"exn": wasm.HeapExn, "noexn": wasm.HeapNoExn,
}

// valTypes are the value types of one word, abbreviations included (specification: Text Format, Number Types, Reference Types).
var valTypes = map[string]wasm.ValType{
	"i32": wasm.I32, "i64": wasm.I64, "f32": wasm.F32, "f64": wasm.F64, "v128": wasm.V128,
	"anyref": wasm.AnyRef, "eqref": wasm.EqRef, "i31ref": wasm.I31Ref, "structref": wasm.StructRef, "arrayref": wasm.ArrayRef,
	"nullref": wasm.RefTo(wasm.HeapNone, true), "funcref": wasm.FuncRef, "nullfuncref": wasm.RefTo(wasm.HeapNoFunc, true),
	"externref": wasm.ExternRef, "nullexternref": wasm.RefTo(wasm.HeapNoExtern, true),
	"exnref": wasm.ExnRef, "nullexnref": wasm.RefTo(wasm.HeapNoExn, true),
}
