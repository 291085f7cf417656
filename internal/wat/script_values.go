package wat

import "github.com/spindle-wasm/spindle/internal/wasm"

// Value is an argument of an action, or what a result must be equal to.
type Value struct {
	// Type is the value's type. Of references, (ref null h) is the null of heap type h, and (ref extern) and (ref any) are a
	// host's reference number Bits, as an external or (ref.host) an internal value.
	Type wasm.ValType
	Bits uint64 // little end of the value; floats as bits
	High uint64 // upper half of a v128
}

// IsNull reports whether the value is a null reference.
func (v Value) IsNull() bool { return v.Type.Nullable() }

// ResultKind is the way in which a result is compared.
type ResultKind uint8

const (
	ResultValue  ResultKind = iota // equal to Value; a v128 with NaN patterns by Lanes
	ResultNaN                      // a NaN of Value.Type (f32 or f64): see NaN
	ResultNull                     // any null reference
	ResultRef                      // a reference, not null, of abstract heap type Heap (an extern: any external reference)
	ResultEither                   // one of Either
)

// NaN is a pattern for not-a-number results (specification: Execution, NaN Propagation).
type NaN uint8

const (
	NotNaN        NaN = iota
	CanonicalNaN      // only the payload's most significant bit is set
	ArithmeticNaN     // the payload's most significant bit is set
)

// Matches reports whether a float's bits fit the pattern; width is 32 or 64.
func (n NaN) Matches(bits uint64, width int) bool {
	mantissa := 52
	if width == 32 {
		mantissa = 23
		bits &= 1<<32 - 1
	}
	quiet := uint64(1<<(width-1-mantissa)-1)<<mantissa | 1<<(mantissa-1)
	switch n {
	case CanonicalNaN:
		return bits&^(1<<(width-1)) == quiet
	case ArithmeticNaN:
		return bits&quiet == quiet
	}
	return false
}

// Lane is one lane of a v128 result.
type Lane struct {
	NaN  NaN
	Bits uint64 // if NaN is NotNaN
}

// Result is a pattern for one result of an action.
type Result struct {
	Kind   ResultKind
	Pos    Pos
	Value  Value
	NaN    NaN
	Heap   wasm.HeapType
	Lanes  []Lane // of a v128, lane 0 first; lanes are 128/len(Lanes) bits wide
	Either []Result
}

// constTypes are the constants that arguments and results share.
var constTypes = map[string]wasm.ValType{
	"i32.const": wasm.I32, "i64.const": wasm.I64, "f32.const": wasm.F32, "f64.const": wasm.F64, "v128.const": wasm.V128,
}

// nanPattern reads "nan:canonical" or "nan:arithmetic" if it is there.
func (p *scriptParser) nanPattern() NaN {
	switch {
	case p.takeWord("nan:canonical"):
		return CanonicalNaN
	case p.takeWord("nan:arithmetic"):
		return ArithmeticNaN
	}
	return NotNaN
}

// scalar reads the number of a constant of type t.
func (p *scriptParser) scalar(t wasm.ValType) uint64 {
	switch t {
	case wasm.I32:
		return p.integer(32)
	case wasm.I64:
		return p.integer(64)
	case wasm.F32:
		return p.float(32)
	}
	return p.float(64)
}

// argument reads a value that an action passes.
func (p *scriptParser) argument() (v Value) {
	p.lparen()
	if p.kind() != tokKeyword {
		p.unexpected()
	}
	w := string(p.word(p.i))
	if t, ok := constTypes[w]; ok {
		p.i++
		v.Type = t
		if t == wasm.V128 {
			v.Bits, v.High = p.v128()
		} else {
			v.Bits = p.scalar(t)
		}
		p.rparen()
		return v
	}
	switch w {
	case "ref.null":
		p.i++
		h, ok := p.abstractHeap()
		if !ok {
			p.unexpected()
		}
		v.Type = wasm.RefTo(h, true)
	case "ref.extern":
		p.i++
		v.Type, v.Bits = wasm.RefTo(wasm.HeapExtern, false), p.nat(32)
	case "ref.host":
		p.i++
		v.Type, v.Bits = wasm.RefTo(wasm.HeapAny, false), p.nat(32)
	default:
		p.unexpected()
	}
	p.rparen()
	return v
}

// result reads a result pattern; "either" holds patterns of the other forms only.
func (p *scriptParser) result() Result {
	if !p.peekList("either") {
		return p.simpleResult()
	}
	r := Result{Kind: ResultEither, Pos: p.pos(p.i)}
	p.i += 2
	for p.kind() == tokLParen {
		r.Either = append(r.Either, p.simpleResult())
	}
	p.rparen()
	return r
}

func (p *scriptParser) simpleResult() Result {
	open := p.i
	r := Result{Pos: p.pos(open)}
	p.lparen()
	if p.kind() != tokKeyword {
		p.unexpected()
	}
	w := string(p.word(p.i))
	bare := p.toks[p.i+1].kind == tokRParen
	t, isConst := constTypes[w]
	h, isRef := refKinds[w]
	switch {
	case isConst:
		p.i++
		r.Value.Type = t
		switch {
		case t == wasm.V128:
			p.lanes(&r)
		case t == wasm.F32 || t == wasm.F64:
			if r.NaN = p.nanPattern(); r.NaN != NotNaN {
				r.Kind = ResultNaN
				break
			}
			fallthrough
		default:
			r.Value.Bits = p.scalar(t)
		}
	case isRef:
		r.Kind, r.Heap = ResultRef, h
		p.i++
	case w == "ref.null" && bare:
		r.Kind = ResultNull
		p.i++
	case w == "ref.extern" && bare:
		r.Kind, r.Heap = ResultRef, wasm.HeapExtern
		p.i++
	default:
		p.i = open
		r.Value = p.argument()
		if r.Value.IsNull() {
			// All nulls of one hierarchy are equal, and a script can't ask for the type of a value.
			r.Kind, r.Heap = ResultNull, r.Value.Type.Heap()
		}
		return r
	}
	p.rparen()
	return r
}

// lanes reads a v128 pattern from its shape on.
func (p *scriptParser) lanes(r *Result) {
	s := p.shape()
	r.Lanes = make([]Lane, s.lanes)
	v := [2]uint64{}
	for i := range r.Lanes {
		if s.float {
			if r.Lanes[i].NaN = p.nanPattern(); r.Lanes[i].NaN != NotNaN {
				continue
			}
		}
		r.Lanes[i].Bits = p.lane(s)
		at := i * s.bits
		v[at/64] |= r.Lanes[i].Bits << (at % 64)
	}
	r.Value.Bits, r.Value.High = v[0], v[1]
}
