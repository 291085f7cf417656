package main

// floatType names the pieces of text that differ between f32 and f64.
type floatType struct {
	name   string
	suffix string // of slot macros
	uint   string // suffix of the slot's bits
	typ    string
	bits   string // conversion from float to bits
	from   string // and back
	sign   string
	quiet  string
	whole  string // from this magnitude on every value is an integer
	mask   string // bits without sign
	slot   string // wraps a float expression to the content of a slot
}

var floatTypes = []floatType{
	{"F32", ".f32", ".u32", "float32", "math.Float32bits", "math.Float32frombits", "(1 << 31)", "(1 << 22)", "0x4B000000", "0x7FFFFFFF", "$f32"},
	{"F64", ".f64", "", "float64", "math.Float64bits", "math.Float64frombits", "(1 << 63)", "(1 << 51)", "0x4330000000000000", "0x7FFFFFFFFFFFFFFF", "math.Float64bits"},
}

// floats. NaN results need only be arithmetic NaNs (specification: Execution, Floating-Point Operations): processors quiet an operand or make the default NaN.
// No product is added in the same expression, so Go has nothing to fuse.
func floats() {
	for _, t := range floatTypes {
		r := func(name, body string) {
			hot(t.name+name, body, "FX", "$b"+t.suffix, "FY", "$c"+t.suffix, "UX", "$b"+t.uint, "UY", "$c"+t.uint,
				"SLOT", t.slot, "BITS", t.bits, "FROM", t.from, "SIGN", t.sign, "QUIET", t.quiet, "WHOLE", t.whole, "MASK", t.mask, "FTYPE", t.typ)
		}
		for _, o := range [][2]string{{"Add", "+"}, {"Sub", "-"}, {"Mul", "*"}, {"Div", "/"}} {
			r(o[0], "$a = SLOT(FX "+o[1]+" FY)")
			r(o[0]+"K", "$a = SLOT(FX "+o[1]+" $imm"+t.suffix+")")
			if o[0] == "Sub" || o[0] == "Div" {
				r("R"+o[0]+"K", "$a = SLOT($imm"+t.suffix+" "+o[1]+" FX)") // operands the other way round
			}
		}
		r("Sqrt", "$a = SLOT(FTYPE(math.Sqrt(float64(FX))))")
		r("Abs", "$a = uint64(UX & MASK)")
		r("Neg", "$a = uint64(UX ^ SIGN)")
		r("Copysign", "$a = uint64(UX&MASK | UY&SIGN)")
		// Equal operands differ at most in the sign of zero: or-ing (min) and and-ing (max) the bits picks the right one.
		minmax := `
			x, y := FX, FY
			if x < y {
				$a = SLOT(PICKLT)
			} else if y < x {
				$a = SLOT(PICKGT)
			} else if x == y {
				$a = uint64(BITS(x) OP BITS(y))
			} else {
				$a = SLOT(x + y)
			}`
		r("Min", replace(minmax, "PICKLT", "x", "PICKGT", "y", "OP", "|"))
		r("Max", replace(minmax, "PICKLT", "y", "PICKGT", "x", "OP", "&"))

		// Rounding without calls: below WHOLE a conversion to int64 and back is exact and drops the fraction.
		round := `
			u := UX
			if u&MASK >= WHOLE {
				if u&MASK > INF {
					u |= QUIET
				}
				$a = uint64(u)
			} else {
				HOW
				ADJUST
				$a = uint64(BITS(y)&MASK | u&SIGN)
			}`
		inf := map[string]string{"F32": "0x7F800000", "F64": "0x7FF0000000000000"}[t.name]
		whole := map[string]string{"F32": "(1 << 23)", "F64": "(1 << 52)"}[t.name]
		rounding := func(name, how, adjust string) {
			r(name, replace(round, "HOW", how, "ADJUST", adjust, "INF", inf))
		}
		rounding("Trunc", "x := FROM(u)\ny := FTYPE(int64(x))", "")
		rounding("Floor", "x := FROM(u)\ny := FTYPE(int64(x))", "if y > x {\ny -= 1\n}")
		rounding("Ceil", "x := FROM(u)\ny := FTYPE(int64(x))", "if y < x {\ny += 1\n}")
		// Adding and taking away 2^mantissa rounds to the nearest integer, ties to even.
		rounding("Nearest", "y := FROM(u & MASK)", "y += "+whole+"\ny -= "+whole)

		for _, c := range [][2]string{{"Eq", "=="}, {"Ne", "!="}, {"Lt", "<"}, {"Le", "<="}} {
			x, y := "$b"+t.suffix, "$c"+t.suffix
			hot(t.name+c[0], "v := uint64(0)\nif "+x+" "+c[1]+" "+y+" {\nv = 1\n}\n$a = v")
			branch("Br"+t.name+c[0], x+" "+c[1]+" "+y)
			if c[1][0] == '<' {
				hot(t.name+"N"+c[0], "v := uint64(1)\nif "+x+" "+c[1]+" "+y+" {\nv = 0\n}\n$a = v")
				branch("Br"+t.name+"N"+c[0], "!("+x+" "+c[1]+" "+y+")") // differs from the opposite comparison for NaN
			}
		}
	}
}

// conversions between integers and floats. Bounds are exact: all are representable in float64.
func conversions() {
	type conv struct{ to, sign, lo, hi, expr, min, max string }
	const u64 = "uint64(int64(x))"
	convs := []conv{
		{"I32", "S", "x > -2147483649.0", "x < 2147483648.0", "uint64(uint32(int32(x)))", "0x80000000", "0x7FFFFFFF"},
		{"I32", "U", "x > -1.0", "x < 4294967296.0", "uint64(uint32(int64(x)))", "0", "0xFFFFFFFF"},
		{"I64", "S", "x >= -9223372036854775808.0", "x < 9223372036854775808.0", "uint64(int64(x))", "1 << 63", "1<<63 - 1"},
		{"I64", "U", "x > -1.0", "x < 18446744073709551616.0", "", "0", "1<<64 - 1"},
	}
	for _, f := range floatTypes {
		x := "x := float64($b" + f.suffix + ")\n"
		for _, c := range convs {
			assign := "$a = " + c.expr
			if c.expr == "" {
				assign = "if x < 9223372036854775808.0 {\n$a = " + u64 + "\n} else {\n$a = uint64(int64(x-9223372036854775808.0)) ^ 1<<63\n}"
			}
			hot(c.to+"Trunc"+f.name+c.sign, x+"if x != x {\n$trap(InvalidConversion)\n}\nif !("+c.lo+" && "+c.hi+") {\n$trap(IntegerOverflow)\n}\n"+assign)
			hot(c.to+"TruncSat"+f.name+c.sign, x+"if x != x {\n$a = 0\n} else if !("+c.lo+") {\n$a = "+c.min+"\n} else if !("+c.hi+") {\n$a = "+c.max+"\n} else {\n"+assign+"\n}")
		}
		for _, s := range [][3]string{{"I32", "S", "$b.i32"}, {"I32", "U", "int64($b.u32)"}, {"I64", "S", "$b.i64"}, {"I64", "U", "$b"}} {
			hot(f.name+"Convert"+s[0]+s[1], "$a = "+f.slot+"("+f.typ+"("+s[2]+"))")
		}
	}
	hot("F32Demote", "$a = $f32(float32($b.f64))")
	hot("F64Promote", "$a = math.Float64bits(float64($b.f32))")
}
