package main

import (
	"strconv"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// prim is a function in Go. Its arguments are a view of the stack: they are roots, and an allocation changes them there. It returns its value, or 0 if it has
// dropped them and the function itself from the stack and told the machine how to go on.
type prim struct {
	name     string
	min, max int // arguments; max -1: any number
	fn       func(t *Thread, args []word) word
}

var prims []prim

func init() {
	prims = []prim{
		{"cons", 2, 2, func(t *Thread, a []word) word { return t.cons(a[0], a[1]) }},
		{"car", 1, 1, func(t *Thread, a []word) word { return t.car(a[0]) }},
		{"cdr", 1, 1, func(t *Thread, a []word) word { return t.cdr(a[0]) }},
		{"set-car!", 2, 2, func(t *Thread, a []word) word { t.set(t.want(a[0], t.v.pair), carAt, a[1]); return void }},
		{"set-cdr!", 2, 2, func(t *Thread, a []word) word { t.set(t.want(a[0], t.v.pair), cdrAt, a[1]); return void }},
		{"eq?", 2, 2, func(t *Thread, a []word) word { return truthOf(a[0] == a[1]) }},
		{"null?", 1, 1, func(t *Thread, a []word) word { return truthOf(a[0] == null) }},
		{"pair?", 1, 1, func(t *Thread, a []word) word { return truthOf(t.is(a[0], t.v.pair)) }},
		{"symbol?", 1, 1, func(t *Thread, a []word) word { return truthOf(t.is(a[0], t.v.symbol)) }},
		{"string?", 1, 1, func(t *Thread, a []word) word { return truthOf(t.is(a[0], t.v.str)) }},
		{"vector?", 1, 1, func(t *Thread, a []word) word { return truthOf(t.is(a[0], t.v.vector)) }},
		{"integer?", 1, 1, func(t *Thread, a []word) word { return truthOf(isInt(a[0])) }},
		{"procedure?", 1, 1, func(t *Thread, a []word) word {
			return truthOf(t.is(a[0], t.v.closure) || isSpecial(a[0], kindPrim))
		}},

		{"+", 0, -1, func(t *Thread, a []word) word { return t.fold(a, 0, func(x, y int) int { return x + y }) }},
		{"*", 0, -1, func(t *Thread, a []word) word { return t.fold(a, 1, func(x, y int) int { return x * y }) }},
		{"-", 1, -1, minus},
		{"quotient", 2, 2, func(t *Thread, a []word) word { x, y := t.divide(a); return t.result(x / y) }},
		{"remainder", 2, 2, func(t *Thread, a []word) word { x, y := t.divide(a); return t.result(x % y) }},
		{"=", 2, 2, func(t *Thread, a []word) word { return truthOf(t.wantInt(a[0]) == t.wantInt(a[1])) }},
		{"<", 2, 2, func(t *Thread, a []word) word { return truthOf(t.wantInt(a[0]) < t.wantInt(a[1])) }},

		{"vector", 0, -1, vector},
		{"make-vector", 2, 2, makeVector},
		{"vector-length", 1, 1, func(t *Thread, a []word) word { return t.length(t.want(a[0], t.v.vector)) }},
		{"vector-ref", 2, 2, func(t *Thread, a []word) word { return t.field(a[0], t.element(a)) }},
		{"vector-set!", 3, 3, func(t *Thread, a []word) word { t.set(a[0], t.element(a), a[2]); return void }},

		{"make-weak", 1, 1, makeWeak},
		{"weak-value", 1, 1, weakValue},

		{"string-length", 1, 1, func(t *Thread, a []word) word { return t.length(t.want(a[0], t.v.str)) }},
		{"string-append", 0, -1, stringAppend},
		{"string<?", 2, 2, func(t *Thread, a []word) word { return truthOf(t.wantText(a[0]) < t.wantText(a[1])) }},
		{"string=?", 2, 2, func(t *Thread, a []word) word { return truthOf(t.wantText(a[0]) == t.wantText(a[1])) }},
		{"string->symbol", 1, 1, func(t *Thread, a []word) word { return t.intern(t.wantText(a[0])) }},
		{"symbol->string", 1, 1, func(t *Thread, a []word) word { return t.field(t.want(a[0], t.v.symbol), symName) }},
		{"number->string", 1, 1, func(t *Thread, a []word) word { return t.string(strconv.Itoa(t.wantInt(a[0]))) }},

		{"display", 0, -1, display},
		{"error", 1, 1, func(t *Thread, a []word) word { fail("%s", t.display(a[0])); return void }},
		{"apply", 2, 2, apply},
		{"spawn", 1, 1, func(t *Thread, a []word) word { return t.spawn(t.want(a[0], t.v.closure)) }},
		{"join", 1, 1, func(t *Thread, a []word) word { return t.join(a[0]) }},
		{"gc", 0, 0, collect},
		{"gc-count", 0, 0, func(t *Thread, _ []word) word { return t.result(int(t.v.full.Load() + t.v.young.Load())) }},
		{"gc-bytes", 0, 0, func(t *Thread, _ []word) word { return t.result(int(t.v.mem.InUse() << heap.LogBlock)) }},
		{"symbols", 0, 0, func(t *Thread, _ []word) word { return t.result(t.v.symbolCount()) }},
	}
}

// boot gives forms and functions their names, and evaluates the prelude.
func (v *VM) boot() error {
	t := v.NewThread()
	defer t.Exit()
	_, err := t.guard(func() {
		for i, f := range forms {
			t.setGlobal(t.intern(f.name), special(kindForm, i))
		}
		for i, p := range prims {
			t.setGlobal(t.intern(p.name), special(kindPrim, i))
		}
		t.setGlobal(t.intern("else"), truth)
		t.fillReserve()
		t.program(prelude)
	})
	return err
}

func (t *Thread) result(n int) word {
	if n < minInt || n > maxInt {
		fail("the integer %d is too large", n)
	}
	return integer(n)
}

// fold cannot overflow an int of 64 bits, as each step's result is one of 31. Where int has 32, products may wrap round.
func (t *Thread) fold(args []word, n int, f func(x, y int) int) word {
	for _, a := range args {
		n = intOf(t.result(f(n, t.wantInt(a))))
	}
	return integer(n)
}

func minus(t *Thread, args []word) word {
	if len(args) == 1 {
		return t.result(-t.wantInt(args[0]))
	}
	n := t.wantInt(args[0])
	for _, a := range args[1:] {
		n = intOf(t.result(n - t.wantInt(a)))
	}
	return integer(n)
}

func (t *Thread) divide(args []word) (x, y int) {
	if x, y = t.wantInt(args[0]), t.wantInt(args[1]); y == 0 {
		fail("division by zero")
	}
	return x, y
}

func vector(t *Thread, args []word) word {
	v := t.alloc(t.v.vector, len(args))
	copy(t.v.mem.Slots(v+heap.HeaderSize, len(args)), args) // args as they are after the allocation
	return v
}

func makeVector(t *Thread, args []word) word {
	n := t.wantInt(args[0])
	if n < 0 {
		fail("a vector cannot have %d elements", n)
	}
	v := t.alloc(t.v.vector, n)
	elems := t.v.mem.Slots(v+heap.HeaderSize, n)
	for i := range elems {
		elems[i] = args[1]
	}
	return v
}

func (t *Thread) length(array word) word { return t.result(int(t.v.mem.Length(array))) }

// element is where the element is that the first two arguments name.
func (t *Thread) element(args []word) uint32 {
	n, i := t.v.mem.Length(t.want(args[0], t.v.vector)), t.wantInt(args[1])
	if i < 0 || i >= int(n) {
		fail("a vector of %d elements has no element %d", n, i)
	}
	return heap.HeaderSize + uint32(i)*4
}

func (t *Thread) wantText(w word) string { return t.text(t.want(w, t.v.str)) }

func stringAppend(t *Thread, args []word) word {
	n := 0
	for _, a := range args {
		k := int(t.v.mem.Length(t.want(a, t.v.str)))
		if k > maxInt-n {
			fail("a string cannot be so long")
		}
		n += k
	}
	s := t.alloc(t.v.str, n)
	to := t.bytes(s)
	for _, a := range args {
		to = to[copy(to, t.bytes(a)):]
	}
	return s
}

// makeWeak makes a reference that keeps nothing alive.
func makeWeak(t *Thread, args []word) word {
	w := t.alloc(t.v.weak, 0)
	*t.v.mem.Slot(w + weakRef) = args[0]
	return w
}

// weakValue is what a weak reference leads to, or false if that is gone. The collector has written 0 there.
func weakValue(t *Thread, args []word) word {
	if val := t.field(t.want(args[0], t.v.weak), weakRef); val != 0 {
		return val
	}
	return falsum
}

// display writes its arguments. The text is made before the thread waits for the writer: a thread that waits does not touch the heap.
func display(t *Thread, args []word) word {
	var text string
	for _, a := range args {
		text += t.display(a)
	}
	t.v.Block(t, func() { t.v.out.write(text) })
	return void
}

// apply puts the elements of a list on the stack in place of its own arguments.
func apply(t *Thread, args []word) word {
	f, list := args[0], args[1]
	t.drop(3)
	t.push(f)
	n := 0
	for ; list != null; list = t.cdr(list) {
		t.push(t.car(list))
		n++
	}
	t.apply(n)
	return 0
}

func collect(t *Thread, _ []word) word {
	t.check(t.v.heap.Collect(t.m, true))
	return void
}
