package interp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// vectorOps are the instructions of prefix 0xFD that compute, without memory.
func vectorOps(t testing.TB) (ops []wasm.Opcode) {
	for o := wasm.Opcode(0); o < wasm.NumOpcodes; o++ {
		info := o.Info()
		if o.Prefix() != 0xFD || info.Name == "" || info.Imm == wasm.ImmMemarg || info.Imm == wasm.ImmMemargLane ||
			o == wasm.OpV128Const || o == wasm.OpI8x16Shuffle {
			continue
		}
		ops = append(ops, o)
	}
	if len(ops) < 230 {
		t.Fatalf("only %d vector instructions in the instruction table", len(ops))
	}
	return ops
}

var typeWords = map[byte]string{'i': "i32", 'I': "i64", 'f': "f32", 'F': "f64", 'v': "v128"}

// Edge cases of lanes by width, and floats among them by bits.
var edges = map[int][]uint64{
	8:  {0, 1, 2, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF, 0x0F, 0x10, 0xF0},
	16: {0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFF7F, 0xFF80, 0xFFFE, 0xFFFF},
	32: {0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFF7FFF, 0xFFFF8000, 0xFFFFFFFF,
		0x3F800000, 0xBF800000, 0x3F000000, 0xBF000000, 0x3FC00000, 0x40200000, 0x7F7FFFFF, 0xFF7FFFFF, 0x00800000, 0x007FFFFF, // 1 -1 .5 -.5 1.5 2.5 max -max, smallest normal, largest subnormal
		0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFA00000, 0x7FC12345, // infinities, NaNs: canonical, signalling, with payload
		0x4B000000, 0x4AFFFFFF, 0x4B7FFFFF, 0x4EFFFFFF, 0x4F000000, 0xCF000000, 0xCF000001, 0x4F7FFFFF, 0x4F800000, 0x5F000000}, // 2^23, 2^31, 2^32, 2^63 and neighbours
	64: {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF80000000,
		0x3FF0000000000000, 0xBFF0000000000000, 0x3FE0000000000000, 0x4004000000000000, 0x3FF8000000000000, 0x7FEFFFFFFFFFFFFF, 0x0010000000000000,
		0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0x7FF8000000001234,
		0x4330000000000000, 0x432FFFFFFFFFFFFF, 0x41DFFFFFFFC00000, 0x41E0000000000000, 0xC1E0000000000000, 0xC1E0000000200000, 0x41EFFFFFFFE00000,
		0x41F0000000000000, 0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x36A0000000000000, 0x3690000000000000}, // f32 limits in f64
}

// randomVec mixes edge cases and random bits of one width.
func randomVec(r *rand.Rand) (v vec) {
	width := 8 << r.IntN(4)
	for i := range 128 / width {
		x := r.Uint64()
		if r.IntN(4) > 0 {
			x = edges[width][r.IntN(len(edges[width]))]
		}
		v.set(width, i, x)
	}
	return v
}

func randomOperand(r *rand.Rand, typ byte) vec {
	v := randomVec(r)
	switch typ {
	case 'v':
		return v
	case 'i', 'f':
		if r.IntN(2) == 0 { // a shift's count
			v[0] = uint64(r.IntN(70))
		}
		return vec{v[0] & 0xFFFFFFFF}
	}
	return vec{v[0]}
}

func constText(typ byte, v vec) string {
	switch typ {
	case 'v':
		return fmt.Sprintf("(v128.const i64x2 %#x %#x)", v[0], v[1])
	case 'f':
		return fmt.Sprintf("(f32.reinterpret_i32 (i32.const %#x))", v[0])
	case 'F':
		return fmt.Sprintf("(f64.reinterpret_i64 (i64.const %#x))", v[0])
	case 'i':
		return fmt.Sprintf("(i32.const %#x)", v[0])
	}
	return fmt.Sprintf("(i64.const %#x)", v[0])
}

// shaped is a function that runs one instruction, with operands and destination in one of the ways that lowering distinguishes.
type shaped struct {
	text string
	lane int
	args func(args []vec) []vec // what the operands are, given the function's arguments
	// echo: the arguments follow the result, to show what was overwritten
	echo bool
}

// shapes makes the functions for an instruction whose keyword, with its immediate, is word.
func shapes(r *rand.Rand, word string, params, result string, lane int) (out []shaped) {
	in := func(k int) string { return fmt.Sprintf("(local.get %d)", k) }
	home := func(k int) string {
		return fmt.Sprintf("(block (result %s) (local.get %d))", typeWords[params[k]], k)
	}
	operands := func(pick func(k int) string) (s string) {
		for k := range params {
			s += " " + pick(k)
		}
		return s
	}
	var locals string
	for _, p := range []byte(params) {
		locals += " " + typeWords[p]
	}
	head := "(param" + locals + ") (result " + typeWords[result[0]] + ")"
	add := func(body string, args func([]vec) []vec) {
		if args == nil {
			args = func(a []vec) []vec { return a }
		}
		out = append(out, shaped{head + body, lane, args, false})
	}
	add("("+word+operands(in)+")", nil)
	add("("+word+operands(home)+")", nil)
	for k := range params {
		// one operand in its home, the others in locals, and the other way round
		add("("+word+operands(func(i int) string {
			if i == k {
				return home(i)
			}
			return in(i)
		})+")", nil)
		add("("+word+operands(func(i int) string {
			if i != k {
				return home(i)
			}
			return in(i)
		})+")", nil)
		if params[k] == result[0] { // the destination is an operand's local
			add(fmt.Sprintf("(local.set %d (%s%s)) (local.get %d)", k, word, operands(in), k), nil)
		}
		for range 3 {
			c := randomOperand(r, params[k])
			if r.IntN(2) == 0 {
				c[1] = c[0] & mask(params[k] == 'v') // all lanes alike is a case of its own
			}
			add("("+word+operands(func(i int) string {
				if i == k {
					return constText(params[k], c)
				}
				return in(i)
			})+")", func(a []vec) []vec {
				a = append([]vec(nil), a...)
				a[k] = c
				return a
			})
		}
	}
	if strings.Trim(params, "v") == "" && len(params) > 1 { // one local for all operands
		add("("+word+operands(func(int) string { return "(local.get 0)" })+")", func(a []vec) []vec {
			same := make([]vec, len(a))
			for i := range same {
				same[i] = a[0]
			}
			return same
		})
		if result == "v" {
			add("(local.set 1 ("+word+operands(func(int) string { return "(local.get 1)" })+")) (local.get 1)", func(a []vec) []vec {
				same := make([]vec, len(a))
				for i := range same {
					same[i] = a[1]
				}
				return same
			})
		}
	}
	// The result lies between other values, which must stay.
	out = append(out, shaped{fmt.Sprintf("(param%s) (result %s%s) (local v128 %s v128) (local.set %d (%s%s)) (local.get %d)%s",
		locals, typeWords[result[0]], locals, typeWords[result[0]], len(params)+1, word, operands(in), len(params)+1, operands(in)),
		lane, func(a []vec) []vec { return a }, true})
	return out
}

func slotsFor(types string) (n int) {
	for _, c := range []byte(types) {
		n++
		if c == 'v' {
			n++
		}
	}
	return n
}

// flatten puts operands into slots.
func flatten(types string, args []vec) (slots []uint64) {
	for k, c := range []byte(types) {
		slots = append(slots, args[k][0])
		if c == 'v' {
			slots = append(slots, args[k][1])
		}
	}
	return slots
}

// TestVectorInstructions runs every instruction on edge cases and random operands, in every shape, against its reference.
func TestVectorInstructions(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for _, o := range vectorOps(t) {
		t.Run(o.String(), func(t *testing.T) { testVectorInstruction(t, o, rounds) })
	}
}

func testVectorInstruction(t *testing.T, o wasm.Opcode, rounds int) {
	info := o.Info()
	ref, floats := referenceFor(info.Name)
	if ref == nil {
		t.Fatal("no reference")
	}
	argWidth := floats
	switch o {
	case wasm.OpF32x4DemoteF64x2Zero:
		argWidth = 64
	case wasm.OpF64x2PromoteLowF32x4:
		argWidth = 32
	}
	r := rand.New(rand.NewPCG(uint64(o), 1))
	var all []shaped
	if info.Imm == wasm.ImmLane {
		for lane := range int(info.Width) {
			all = append(all, shapes(r, fmt.Sprintf("%s %d", o, lane), info.Params, info.Results, lane)...)
		}
	} else {
		all = shapes(r, info.Name, info.Params, info.Results, 0)
	}
	src := ""
	for i, f := range all {
		src += fmt.Sprintf("(func (export \"f%d\") %s)\n", i, f.text)
	}
	w := newWorld(t, 0)
	inst := w.instance("m", "(module "+src+")")
	n := rounds
	if info.Imm == wasm.ImmLane {
		n = 5
	}
	results := slotsFor(info.Results)
	for i, f := range all {
		for range n {
			args := make([]vec, len(info.Params))
			for k := range args {
				args[k] = randomOperand(r, info.Params[k])
			}
			slots := flatten(info.Params, args)
			out, err := w.call(inst, fmt.Sprintf("f%d", i), slots...)
			if err != nil {
				t.Fatalf("%s: %v", o, err)
			}
			var got vec
			copy(got[:], out[:results])
			used := f.args(args)
			want := ref(used, f.lane)
			if got != want && (floats == 0 || !sameFloats(floats, got, want, used, argWidth)) {
				t.Fatalf("%s%x = %x, want %x, in\n%s", o, used, got, want, f.text)
			}
			if f.echo {
				for k, s := range slots {
					if out[results+k] != s {
						t.Fatalf("%s%x changed argument slot %d to %x, in\n%s", o, args, k, out[results+k], f.text)
					}
				}
			}
		}
	}
}

// TestVectorFused runs the pairs of instructions that lowering joins, in both orders, with the other operand in a local, in its home or constant.
func TestVectorFused(t *testing.T) {
	names := map[op]string{}
	for o := range rules {
		if r := &rules[o]; r.op != 0 && wasm.Opcode(o).Prefix() == 0xFD && !strings.Contains(wasm.Opcode(o).String(), "relaxed") && !r.swap {
			names[r.op] = wasm.Opcode(o).String()
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for pair, fused := range vectorForms {
		outer, inner := names[pair[0]], names[pair[1]]
		t.Run(outer+" "+inner, func(t *testing.T) {
			outerRef, floats := referenceFor(outer)
			innerRef, _ := referenceFor(inner)
			p := "(" + inner + " (local.get 1) (local.get 2))"
			if opcodeNamed(t, inner).Info().Params == "v" {
				p = "(" + inner + " (local.get 1))"
			}
			k := vec{0x3F800001_40490FDB, 0x3F800001_40490FDB}
			home, konst := "(block (result v128) (local.get 0))", constText('v', k)
			bodies := []string{
				fmt.Sprintf("(%s (local.get 0) %s)", outer, p), fmt.Sprintf("(%s %s (local.get 0))", outer, p),
				fmt.Sprintf("(%s %s %s)", outer, home, p), fmt.Sprintf("(%s %s %s)", outer, p, home),
				fmt.Sprintf("(%s %s %s)", outer, konst, p), fmt.Sprintf("(%s %s %s)", outer, p, konst),
				fmt.Sprintf("(local.set 0 (%s (local.get 0) %s)) (local.get 0)", outer, p), fmt.Sprintf("(local.set 0 (%s %s (local.get 0))) (local.get 0)", outer, p),
				fmt.Sprintf("(local.set 1 (%s (local.get 0) %s)) (local.get 1)", outer, p), fmt.Sprintf("(local.set 1 (%s %s (local.get 0))) (local.get 1)", outer, p),
				// the product is still needed: nothing to join
				fmt.Sprintf("(%s (local.get 0) (local.tee 3 %s)) (local.set 0 (local.get 3))", outer, p),
			}
			src := "(module "
			for i, b := range bodies {
				src += fmt.Sprintf("(func (export \"f%d\") (param v128 v128 v128) (result v128) (local v128) %s)\n", i, b)
			}
			src += ")"
			if code := dump(lowered(t, src, 0)); !strings.Contains(code, fused.String()) {
				t.Errorf("not joined:\n%s", code)
			}
			w := newWorld(t, 0)
			inst := w.instance("m", src)
			for i := range bodies {
				for range 100 {
					args := []vec{randomVec(r), randomVec(r), randomVec(r)}
					x, y := args[0], innerRef(args[1:], 0)
					if i == 4 || i == 5 {
						x = k
					}
					if i%2 == 1 {
						x, y = y, x
					}
					want := outerRef([]vec{x, y}, 0)
					out, err := w.call(inst, fmt.Sprint("f", i), flatten("vvv", args)...)
					if err != nil {
						t.Fatal(err)
					}
					if got := (vec{out[0], out[1]}); got != want && (floats == 0 || !sameFloats(floats, got, want, args, floats)) {
						t.Fatalf("%s of %x = %x, want %x", bodies[i], args, got, want)
					}
				}
			}
		})
	}
}

func opcodeNamed(t *testing.T, name string) wasm.Opcode {
	for o := wasm.Opcode(0); o < wasm.NumOpcodes; o++ {
		if o.String() == name {
			return o
		}
	}
	t.Fatalf("no instruction %q", name)
	return 0
}

// TestShuffles runs shuffles of pieces of every size, near to fp and far away in a huge frame.
func TestShuffles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	// Frames by v128 locals: up to 8,191, 16,382 and 32,765 slots the pieces of 1, 2 and 4 bytes are within a field's reach.
	for _, frame := range []int{0, 4500, 9000, 20000, 32000} {
		var picks [][16]byte
		src := ""
		count := 60
		if frame > 0 {
			count = 8
		}
		for n := range count {
			var pick [16]byte
			size := 1 << (n % 4)
			for i := 0; i < 16; i += size {
				p := r.IntN(32/size) * size
				if n%10 == 5 { // not aligned
					p = r.IntN(33 - size)
				}
				for k := range size {
					pick[i+k] = byte(p + k)
				}
			}
			picks = append(picks, pick)
			word := "i8x16.shuffle"
			for _, p := range pick {
				word += fmt.Sprint(" ", p)
			}
			pad := strings.Repeat(" v128", frame)
			src += fmt.Sprintf(`(func (export "a%[1]d") (param v128 v128) (result v128) (local%[3]s) (local v128 v128)
				(local.set %[4]d (local.get 0)) (local.set %[5]d (local.get 1)) (%[2]s (local.get %[4]d) (local.get %[5]d)))
				(func (export "b%[1]d") (param v128 v128) (result v128) (local%[3]s) (local v128 v128)
				(local.set %[4]d (local.get 0)) (local.set %[5]d (local.get 1)) (local.set %[5]d (%[2]s (local.get %[4]d) (local.get %[5]d))) (local.get %[5]d))
				(func (export "c%[1]d") (param v128 v128) (result v128) (local%[3]s)
				(%[2]s (block (result v128) (local.get 0)) (block (result v128) (local.get 1))))
				`, n, word, pad, 2+frame, 3+frame)
		}
		w := newWorld(t, 0)
		inst := w.instance("m", "(module "+src+")")
		for n, pick := range picks {
			for range 3 {
				a := []vec{randomVec(r), randomVec(r)}
				var want vec
				for i, p := range pick {
					want.set(8, i, a[p/16].get(8, int(p%16)))
				}
				for _, name := range []string{"a", "b", "c"} {
					out, err := w.call(inst, fmt.Sprint(name, n), flatten("vv", a)...)
					if err != nil {
						t.Fatal(err)
					}
					if got := (vec{out[0], out[1]}); got != want {
						t.Fatalf("frame %d, %s: shuffle %v of %x = %x, want %x", frame, name, pick, a, got, want)
					}
				}
			}
		}
	}
}

// TestVectorConstants checks constants, which are not in a frame until they are needed.
func TestVectorConstants(t *testing.T) {
	w := newWorld(t, 0)
	inst := w.instance("m", `(module
		(func (export "different") (result v128) (v128.const i64x2 1 2))
		(func (export "alike") (result v128) (v128.const i64x2 3 3))
		(func (export "select") (param i32) (result v128) (select (v128.const i64x2 1 2) (v128.const i64x2 3 3) (local.get 0)))
		(func (export "splat") (result v128) (i8x16.splat (i32.const 0x1234)))
		(func (export "local") (result v128 v128) (local v128) (local.set 0 (v128.const i64x2 5 6)) (local.get 0) (v128.const i64x2 7 7)))`)
	for _, c := range []struct {
		name string
		args []uint64
		want []uint64
	}{
		{"different", nil, []uint64{1, 2}}, {"alike", nil, []uint64{3, 3}}, {"select", []uint64{1}, []uint64{1, 2}}, {"select", []uint64{0}, []uint64{3, 3}},
		{"splat", nil, []uint64{0x3434343434343434, 0x3434343434343434}}, {"local", nil, []uint64{5, 6, 7, 7}},
	} {
		got, err := w.call(inst, c.name, c.args...)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s%v = %v, %v, want %v", c.name, c.args, got, err, c.want)
		}
	}
}

// memories are the kinds of memory that an access can be to: the current one, another one, and one with 64-bit addresses.
var memories = []struct{ name, decl, index, addr string }{
	{"first", "(memory (export \"m\") 1 2)", "", "i32"},
	{"second", "(memory 1) (memory (export \"m\") 1 2)", "1", "i32"},
	{"wide", "(memory 1) (memory (export \"m\") i64 1 2)", "1", "i64"},
	{"first wide", "(memory (export \"m\") i64 1 2)", "", "i64"},
}

// TestVectorMemory runs every load and store on every kind of memory against a model, around the end of memory too.
func TestVectorMemory(t *testing.T) {
	for _, mem := range memories {
		for o := wasm.Opcode(0); o < wasm.NumOpcodes; o++ {
			info := o.Info()
			if o.Prefix() != 0xFD || info.Imm != wasm.ImmMemarg && info.Imm != wasm.ImmMemargLane {
				continue
			}
			lanes := 1
			if info.Imm == wasm.ImmMemargLane {
				lanes = 16 / int(info.Width)
			}
			for lane := range lanes {
				t.Run(fmt.Sprintf("%s/%s/%d", mem.name, o, lane), func(t *testing.T) { testVectorMemory(t, o, mem.decl, mem.index, mem.addr, lane) })
			}
		}
	}
}

func testVectorMemory(t *testing.T, o wasm.Opcode, decl, index, addr string, lane int) {
	info := o.Info()
	size := uint64(info.Width)
	offsets := []uint64{0, 5, 1000}
	src := decl
	value := ""
	if len(info.Params) == 2 {
		value = " v128"
	}
	result := ""
	if info.Results != "" {
		result = "(result v128)"
	}
	for i, off := range offsets {
		imm := fmt.Sprintf(" %s offset=%d", index, off)
		if info.Imm == wasm.ImmMemargLane {
			imm += fmt.Sprint(" ", lane)
		}
		operands, homes := "(local.get 0)", "(block (result "+addr+") (local.get 0))"
		if value != "" {
			operands += "(local.get 1)"
			homes += "(block (result v128) (local.get 1))"
		}
		src += fmt.Sprintf("(func (export \"a%d\") (param %s%s) %s (%s%s %s))", i, addr, value, result, o, imm, operands)
		src += fmt.Sprintf("(func (export \"b%d\") (param %s%s) %s (%s%s %s))", i, addr, value, result, o, imm, homes)
		// the same address as a sum, which wraps around
		sum := fmt.Sprintf("(%s.add (%s.sub (local.get 0) (%s.const 24)) (%s.const 24))", addr, addr, addr, addr)
		src += fmt.Sprintf("(func (export \"c%d\") (param %s%s) %s (%s%s %s))", i, addr, value, result, o, imm, strings.Replace(operands, "(local.get 0)", sum, 1))
		src += fmt.Sprintf("(func (export \"d%d\") (param %s%s) %s (local %s) (local.set %d (%s.sub (local.get 0) (%s.const 24))) (%s%s %s))", i, addr, value, result, addr, len(info.Params), addr, addr, o, imm,
			strings.Replace(operands, "(local.get 0)", fmt.Sprintf("(%s.add (local.get %d) (%s.const 24))", addr, len(info.Params), addr), 1))
	}
	w := newWorld(t, 0)
	inst := w.instance("m", "(module "+src+")")
	x, _ := inst.Export("m")
	data := x.Memory.Bytes()
	r := rand.New(rand.NewPCG(uint64(o), uint64(lane)))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	model := append([]byte(nil), data...)
	for n := range 84 {
		i := n % len(offsets)
		end := uint64(len(data)) - offsets[i] - size
		at := []uint64{r.Uint64N(end), end - r.Uint64N(8), end, end + 1, end + size - 1, end + size, 0xFFFFFFFF}[n%7]
		arg := randomVec(r)
		out, err := w.call(inst, fmt.Sprint([]string{"a", "b", "c", "d"}[n/7%4], i), at, arg[0], arg[1])
		if at > end {
			if e, ok := err.(*vm.TrapError); !ok || e.Code != vm.TrapMemoryOutOfBounds {
				t.Fatalf("%s at %d + %d: %v, want out of bounds", o, at, offsets[i], err)
			}
		} else if err != nil {
			t.Fatalf("%s at %d + %d: %v", o, at, offsets[i], err)
		} else {
			cell := model[at+offsets[i]:][:size]
			if result == "" {
				storeModel(cell, info, lane, arg)
			} else if got, want := (vec{out[0], out[1]}), loadModel(cell, info, lane, arg); got != want {
				t.Fatalf("%s lane %d at %d + %d = %x, want %x", o, lane, at, offsets[i], got, want)
			}
		}
		if string(data) != string(model) {
			t.Fatalf("%s lane %d at %d + %d: memory differs from the model", o, lane, at, offsets[i])
		}
	}
}

func storeModel(cell []byte, info *wasm.InstrInfo, lane int, v vec) {
	for i := range cell {
		cell[i] = byte(v.get(8, lane*len(cell)+i))
	}
}

func loadModel(cell []byte, info *wasm.InstrInfo, lane int, v vec) (r vec) {
	var raw vec
	for i, b := range cell {
		raw.set(8, i, uint64(b))
	}
	width := 8 * len(cell)
	switch kind := strings.TrimPrefix(info.Name, "v128.load"); {
	case kind == "":
		return raw
	case strings.HasSuffix(kind, "_lane"):
		v.set(width, lane, raw[0])
		return v
	case strings.HasSuffix(kind, "_zero"):
		return raw
	case strings.HasSuffix(kind, "_splat"):
		for i := range 128 / width {
			r.set(width, i, raw[0])
		}
	default: // 8x8_s
		var from, n int
		var sign byte
		fmt.Sscanf(kind, "%dx%d_%c", &from, &n, &sign)
		for i := range n {
			if x := raw.get(from, i); sign == 'u' {
				r.set(2*from, i, x)
			} else {
				r.set(2*from, i, uint64(raw.gets(from, i)))
			}
		}
	}
	return r
}
