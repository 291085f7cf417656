package wast

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// FormatNumber shows a number or vector in slot form as the text format writes it: integers signed, floats so that they read back
// to the same bits, vectors as four lanes of 32 bits.
func FormatNumber(t spindle.ValueType, v []uint64) string {
	switch t {
	case wasm.I32:
		return strconv.Itoa(int(int32(v[0])))
	case wasm.I64:
		return strconv.FormatInt(int64(v[0]), 10)
	case wasm.F32:
		return formatFloat(float64(math.Float32frombits(uint32(v[0]))), 32, v[0]>>31&1, v[0]&(1<<23-1), 1<<22)
	case wasm.F64:
		return formatFloat(math.Float64frombits(v[0]), 64, v[0]>>63, v[0]&(1<<52-1), 1<<51)
	}
	return fmt.Sprintf("i32x4 %#08x %#08x %#08x %#08x", uint32(v[0]), v[0]>>32, uint32(v[1]), v[1]>>32)
}

func formatFloat(f float64, width int, sign, payload, canonical uint64) string {
	switch {
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, width)), "+")
	case !math.IsNaN(f):
		return strconv.FormatFloat(f, 'g', -1, width)
	}
	s := "nan"
	if sign != 0 {
		s = "-nan"
	}
	if payload != canonical {
		s += fmt.Sprintf(":%#x", payload)
	}
	return s
}

// formatConst is the instruction that pushes a value.
func formatConst(t spindle.ValueType, v []uint64) string {
	s := fmt.Sprintf("(%v.const %s)", t, FormatNumber(t, v))
	if bitsOf(t) == 32 && v[0]>>32 != 0 {
		s += fmt.Sprintf(" with garbage %#x in the upper half of its slot", v[0]>>32)
	}
	return s
}

// format shows a value of a result in the text format.
func (r *runner) format(t spindle.ValueType, v []uint64) string {
	if !t.IsRef() {
		return formatConst(t, v)
	}
	if v[0] == 0 {
		return fmt.Sprintf("(ref.null) of type %v", t)
	}
	if x, ok := r.hostValue(t, v[0]); ok {
		return fmt.Sprintf("(ref.extern %d) of type %v", x, t)
	}
	return fmt.Sprintf("reference %#x of type %v", v[0], t)
}

func formatPattern(w *wat.Result) string {
	switch w.Kind {
	case wat.ResultEither:
		var s []string
		for i := range w.Either {
			s = append(s, formatPattern(&w.Either[i]))
		}
		return "either of " + strings.Join(s, ", ")
	case wat.ResultNaN:
		return fmt.Sprintf("%v %v", w.Value.Type, formatNaN(w.NaN))
	case wat.ResultNull:
		return "(ref.null)"
	case wat.ResultRef:
		return fmt.Sprintf("(ref.%v)", w.Heap)
	}
	switch {
	case w.Value.Type.IsRef():
		return fmt.Sprintf("(ref.extern %d)", w.Value.Bits)
	case len(w.Lanes) > 0:
		var b strings.Builder
		for _, l := range w.Lanes {
			if l.NaN != wat.NotNaN {
				b.WriteString(" " + formatNaN(l.NaN))
				continue
			}
			fmt.Fprintf(&b, " %#x", l.Bits)
		}
		return fmt.Sprintf("lanes%s, all %s", b.String(), formatConst(wasm.V128, []uint64{w.Value.Bits, w.Value.High}))
	}
	return formatConst(w.Value.Type, []uint64{w.Value.Bits, w.Value.High})
}

func formatNaN(n wat.NaN) string {
	if n == wat.CanonicalNaN {
		return "nan:canonical"
	}
	return "nan:arithmetic"
}
