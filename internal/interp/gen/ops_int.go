package main

import "strings"

// intType names the pieces of text that differ between i32 and i64.
type intType struct {
	name   string // prefix of the instruction's name
	bits   string
	u, i   string // suffixes of slot macros: unsigned, signed
	ui, ii string // of imm
	uconv  string // conversion of an unsigned result to a slot
	mask   string
	minInt string
}

var intTypes = []intType{
	{"I32", "32", ".u32", ".i32", ".lo", ".i32", "uint32", "31", "-1 << 31"},
	{"I64", "64", "", ".i64", "", ".i64", "uint64", "63", "-1 << 63"},
}

// integers: every binary operation comes as slot op slot, and as slot op immediate (suffix K).
func integers() {
	for _, t := range intTypes {
		x, sx := "$b"+t.u, "$b"+t.i
		both := func(name, expr string) {
			// Y and SY are the second operand, unsigned and signed.
			hot(t.name+name, "$a = uint64("+expr+")", "SX", sx, "X", x, "SY", "$c"+t.i, "Y", "$c"+t.u)
			hot(t.name+name+"K", "$a = uint64("+expr+")", "SX", sx, "X", x, "SY", "$imm"+t.ii, "Y", "$imm"+t.ui)
		}
		both("Add", "X + Y")
		hot(t.name+"Sub", "$a = uint64("+x+" - $c"+t.u+")") // of a constant: AddK
		both("Mul", "X * Y")
		both("And", "X & Y")
		both("Or", "X | Y")
		both("Xor", "X ^ Y")
		both("Shl", "X << (Y & "+t.mask+")")
		both("ShrS", t.uconv+"(SX >> (Y & "+t.mask+"))")
		both("ShrU", "X >> (Y & "+t.mask+")")
		both("Rotl", "bits.RotateLeft"+t.bits+"(X, int(Y & "+t.mask+"))")
		hot(t.name+"Rotr", "$a = uint64(bits.RotateLeft"+t.bits+"("+x+", -int($c"+t.u+"&"+t.mask+")))")
		hot(t.name+"RsubK", "$a = uint64($imm"+t.ui+" - "+x+")")

		for _, k := range []string{"", "K"} {
			y, sy := "$c"+t.u, "$c"+t.i
			if k != "" {
				y, sy = "$imm"+t.ui, "$imm"+t.ii
			}
			const zero = "if y == 0 {\n$trap(IntegerDivideByZero)\n}\n"
			hot(t.name+"DivU"+k, "y := "+y+"\n"+zero+"$a = uint64("+x+" / y)")
			hot(t.name+"RemU"+k, "y := "+y+"\n"+zero+"$a = uint64("+x+" % y)")
			hot(t.name+"DivS"+k, "x, y := "+sx+", "+sy+"\n"+zero+
				"if y == -1 {\nif x == "+t.minInt+" {\n$trap(IntegerOverflow)\n}\n$a = uint64("+t.uconv+"(-x))\n} else {\n$a = uint64("+t.uconv+"(x / y))\n}")
			hot(t.name+"RemS"+k, "x, y := "+sx+", "+sy+"\n"+zero+
				"if y == -1 {\n$a = 0\n} else {\n$a = uint64("+t.uconv+"(x % y))\n}")
		}

		hot(t.name+"Clz", "$a = uint64(bits.LeadingZeros"+t.bits+"("+x+"))")
		hot(t.name+"Ctz", "$a = uint64(bits.TrailingZeros"+t.bits+"("+x+"))")
		hot(t.name+"Extend8S", "$a = uint64("+t.uconv+"(int8("+x+")))")
		hot(t.name+"Extend16S", "$a = uint64("+t.uconv+"(int16("+x+")))")
		compare(t)
	}
	hot("I64Extend32S", "$a = uint64(int64($b.i32))")
	hot("I32Wrap", "$a = uint64($b.u32)")
	hot("I32Popcnt", `
		x := $b.u32
		x -= x >> 1 & 0x55555555
		x = x&0x33333333 + x>>2&0x33333333
		x = (x + x>>4) & 0x0F0F0F0F
		$a = uint64(x * 0x01010101 >> 24)`)
	hot("I64Popcnt", `
		x := $b
		x -= x >> 1 & 0x5555555555555555
		x = x&0x3333333333333333 + x>>2&0x3333333333333333
		x = (x + x>>4) & 0x0F0F0F0F0F0F0F0F
		$a = x * 0x0101010101010101 >> 56`)
}

// compare: as a value and as a branch. Slot against slot has no gt and ge (lowering swaps the operands); against an
// immediate (suffix K) it has all. Branches hold their 32-bit immediate, sign-extended for i64, below their offset.
func compare(t intType) {
	type cond struct{ name, op, sign string }
	conds := []cond{{"Eq", "==", ""}, {"Ne", "!=", ""}, {"LtS", "<", "s"}, {"LtU", "<", ""}, {"LeS", "<=", "s"}, {"LeU", "<=", ""},
		{"GtS", ">", "s"}, {"GtU", ">", ""}, {"GeS", ">=", "s"}, {"GeU", ">=", ""}}
	for _, c := range conds {
		x, y, k := "$b"+t.u, "$c"+t.u, "$imm"+t.ui
		bk := "$imm.lo"
		if t.bits == "64" {
			bk = "uint64(int64($imm.i32))"
		}
		if c.sign != "" {
			x, y, k = "$b"+t.i, "$c"+t.i, "$imm"+t.ii
			bk = "$imm.i32"
			if t.bits == "64" {
				bk = "int64($imm.i32)"
			}
		}
		if !strings.HasPrefix(c.name, "G") {
			hot(t.name+c.name, "v := uint64(0)\nif "+x+" "+c.op+" "+y+" {\nv = 1\n}\n$a = v")
			branch("Br"+t.name+c.name, x+" "+c.op+" "+y)
		}
		hot(t.name+c.name+"K", "v := uint64(0)\nif "+x+" "+c.op+" "+k+" {\nv = 1\n}\n$a = v")
		branch("Br"+t.name+c.name+"K", x+" "+c.op+" "+bk)
	}
}
