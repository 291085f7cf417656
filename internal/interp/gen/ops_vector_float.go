package main

import "fmt"

// vectorFloatType names the pieces of text that differ between f32x4 and f64x2.
type vectorFloatType struct {
	name, typ, uint  string
	bits             int
	toBits, fromBits string
	sign, mask, inf  string // of one lane
	quiet, big, two  string // quiet bit; bits of the first magnitude that is always whole; the same as a number
	signs, masks     string // of a half
}

var vectorFloatTypes = []vectorFloatType{
	{"F32x4", "float32", "uint32", 32, "math.Float32bits", "math.Float32frombits", "0x80000000", "0x7FFFFFFF", "0x7F800000",
		"0x00400000", "0x4B000000", "(1 << 23)", "0x8000000080000000", "0x7FFFFFFF7FFFFFFF"},
	{"F64x2", "float64", "uint64", 64, "math.Float64bits", "math.Float64frombits", "0x8000000000000000", "0x7FFFFFFFFFFFFFFF", "0x7FF0000000000000",
		"0x0008000000000000", "0x4330000000000000", "(1 << 52)", "0x8000000000000000", "0x7FFFFFFFFFFFFFFF"},
}

// vectorFloats. What the scalar instructions say on NaNs holds here. Lanes that are only moved are moved as integers.
func vectorFloats() {
	for _, t := range vectorFloatTypes {
		args := []string{"BITS", t.toBits, "FROM", t.fromBits, "FTYPE", t.typ, "UTYPE", t.uint, "SIGN", t.sign, "MASK", t.mask,
			"INF", t.inf, "QUIET", t.quiet, "BIG", t.big, "TWO", t.two}
		float := func(name, body string) { lanewise(t.name+name, t.typ, t.bits, replace(body, args...)) }
		floatK := func(name string, commutes bool, body string) {
			lanewiseK(t.name+name, commutes, t.typ, t.bits, replace(body, args...))
		}
		bits := func(name, body string) { lanewise(t.name+name, t.uint, t.bits, replace(body, args...)) }

		for _, o := range [][2]string{{"Add", "+"}, {"Sub", "-"}, {"Mul", "*"}, {"Div", "/"}} {
			floatK(o[0], o[1] == "+" || o[1] == "*", "RESULT BITS(x "+o[1]+" y)")
		}
		float("Sqrt", "RESULT BITS(FTYPE(math.Sqrt(float64(x))))")
		halves(t.name+"Abs", "RESULT x & "+t.masks)
		halves(t.name+"Neg", "RESULT x ^ "+t.signs)
		// Go's min and max order zeros as wanted; their NaNs need not be quiet.
		for _, f := range []string{"min", "max"} {
			name := map[string]string{"min": "Min", "max": "Max"}[f]
			floatK(name, true, "v := "+f+"(x, y)\nif v != v {\nv = x + y\n}\nRESULT BITS(v)")
		}
		// By masks, since the lanes must not become quiet: y where LESS holds, x elsewhere.
		for _, f := range [][2]string{{"Pmin", "y < x"}, {"Pmax", "x < y"}} {
			hot(t.name+f[0], lanes("$b.ptr", "$c.ptr", t.typ, t.bits, replace("n := UTYPE(0)\nif LESS {\nn = 1\n}\nRESULT -n", append(args, "LESS", f[1])...))+
				"x, xh := $b, $b.hi\nlo, hi = x^(x^$c)&lo, xh^(xh^$c.hi)&hi\n$a = lo\n$a.hi = hi")
		}
		for _, c := range [][2]string{{"Eq", "=="}, {"Ne", "!="}, {"Lt", "<"}, {"Le", "<="}} {
			floatK(c[0], c[0] == "Eq" || c[0] == "Ne", "n := UTYPE(0)\nif x "+c[1]+" y {\nn = 1\n}\nRESULT -n")
		}
		// Unfused: the conversion forbids Go to join product and sum.
		float("RelaxedMadd", "RESULT BITS(FTYPE(x*y) + z)")
		float("RelaxedNmadd", "RESULT BITS(z - FTYPE(x*y))")

		round := `
			u := x
			if u&MASK < BIG {
				HOW
				u = BITS(v)&MASK | u&SIGN
			} else if u&MASK > INF {
				u |= QUIET
			}
			RESULT u`
		const trunc = "f := FROM(u)\nv := FTYPE(int64(f))\n"
		bits("Trunc", replace(round, "HOW", trunc))
		bits("Floor", replace(round, "HOW", trunc+"if v > f {\nv -= 1\n}"))
		bits("Ceil", replace(round, "HOW", trunc+"if v < f {\nv += 1\n}"))
		bits("Nearest", replace(round, "HOW", "v := FROM(u & MASK)\nv += TWO\nv -= TWO"))
	}
}

// vectorConversions between lanes of integers and floats. The bounds are as in conversions.
func vectorConversions() {
	quarters("F32x4ConvertI32x4S", "int32", "RESULT math.Float32bits(float32(x))")
	quarters("F32x4ConvertI32x4U", "uint32", "RESULT math.Float32bits(float32(int64(x)))")
	var convS, convU, promote []string
	for i := range 2 {
		convS = append(convS, "math.Float64bits(float64("+at("p", "int32", i)+"))")
		convU = append(convU, "math.Float64bits(float64(int64("+at("p", "uint32", i)+")))")
		promote = append(promote, "math.Float64bits(float64("+at("p", "float32", i)+"))")
	}
	hot("F64x2ConvertLowI32x4S", "p := $b.ptr\n"+pack(64, convS))
	hot("F64x2ConvertLowI32x4U", "p := $b.ptr\n"+pack(64, convU))
	hot("F64x2PromoteLowF32x4", "p := $b.ptr\n"+pack(64, promote))
	hot("F32x4DemoteF64x2Zero", "p := $b.ptr\n$a = DEMOTE0 | DEMOTE1<<32\n$a.hi = 0",
		"DEMOTE0", "$f32(float32("+at("p", "float64", 0)+"))", "DEMOTE1", "$f32(float32("+at("p", "float64", 1)+"))")

	for _, s := range [][3]string{{"S", "-2147483648", "2147483647"}, {"U", "0", "4294967295"}} {
		// A NaN fails every comparison: 0.
		sat := "f, n := float64(x), int64(0)\nif f >= MAX {\nn = MAX\n} else if f > MIN {\nn = int64(f)\n} else if f <= MIN {\nn = MIN\n}\n"
		sat = replace(sat, "MAX", s[2], "MIN", s[1])
		quarters("I32x4TruncSatF32x4"+s[0], "float32", sat+"RESULT uint32(n)")
		body := "p := $b.ptr\nvar v uint64\n"
		for i := range 2 {
			body += fmt.Sprintf("{\nx := %s\n%sv |= uint64(uint32(n)) << %d\n}\n", at("p", "float64", i), sat, 32*i)
		}
		hot("I32x4TruncSatF64x2"+s[0]+"Zero", body+"$a = v\n$a.hi = 0")
	}
}
