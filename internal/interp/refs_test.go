package interp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// mover is the oracle for reference maps: a collector that gives every object a new address at every safepoint and forgets the
// old one. A live slot that the maps leave out keeps an address that no longer works; a slot that they list though it is dead, or no
// reference, does not hold a valid address.
type mover struct {
	w       *world
	objects map[vm.Ref]uint64 // address → object
	next    uint32
	cycles  int
	polls   int
}

func newMover(w *world) *mover {
	m := &mover{w: w, objects: map[vm.Ref]uint64{}}
	w.engine.onPoll = func(t *vm.Thread) {
		m.polls++
		m.collect(t)
	}
	// new(id) makes an object, is(ref, id) checks that a reference leads to it. gc() moves everything during the call; arm() makes
	// the next poll or entry a safepoint that does.
	w.host("new", i32, []wasm.ValType{wasm.ExternRef}, func(_ *vm.Thread, s []uint64) error {
		s[0] = uint64(m.add(s[0]))
		return nil
	})
	w.host("is", []wasm.ValType{wasm.ExternRef, wasm.I32}, nil, func(_ *vm.Thread, s []uint64) error {
		if id, ok := m.objects[vm.Ref(s[0])]; !ok || id != s[1] {
			return fmt.Errorf("reference %#x leads to object %d (%v), want %d", s[0], id, ok, s[1])
		}
		return nil
	})
	w.host("gc", nil, nil, func(t *vm.Thread, _ []uint64) error {
		m.collect(t)
		return nil
	})
	w.host("arm", nil, nil, func(t *vm.Thread, _ []uint64) error {
		m.arm(t)
		return nil
	})
	return m
}

func (m *mover) add(id uint64) vm.Ref {
	m.next++
	r := m.next<<2 | 2
	m.objects[r] = id
	return r
}

// arm makes the next poll or entry a safepoint that meets a flag.
func (m *mover) arm(t *vm.Thread) { t.Yield() }

func (m *mover) collect(t *vm.Thread) {
	m.cycles++
	old := m.objects
	m.objects = map[vm.Ref]uint64{}
	moved := map[vm.Ref]vm.Ref{}
	ts := t.Store.Types()
	fields := map[vm.Ref]bool{}
	var visit func(r vm.Ref, typ wasm.ValType) vm.Ref
	visit = func(r vm.Ref, typ wasm.ValType) vm.Ref {
		if r == vm.NullRef {
			return r
		}
		switch ts.TopOf(typ) {
		case wasm.HeapFunc:
			if f := t.Store.Func(r); f.Code == 0 {
				m.w.t.Errorf("a slot of type %v holds %#x, no function", typ, r)
			}
			return r
		case wasm.HeapExn:
			if tag, s := t.Store.Exception(r); tag == nil {
				m.w.t.Errorf("a slot of type %v holds %#x, no exception", typ, r)
			} else if !fields[r] {
				fields[r] = true
				at := 0
				for _, p := range tag.Func.Params {
					if p.IsRef() {
						s[at] = uint64(visit(vm.Ref(s[at]), p))
					}
					at += p.Slots()
				}
			}
			return r
		}
		if vm.IsI31(r) {
			return r
		}
		if to, ok := moved[r]; ok {
			return to
		}
		id, ok := old[r]
		if !ok {
			m.w.t.Errorf("cycle %d: a slot of type %v holds %#x, which is no object's address", m.cycles, typ, r)
			return r
		}
		moved[r] = m.add(id)
		return moved[r]
	}
	t.Store.VisitRoots(
		func(slot *uint64, typ wasm.ValType) { *slot = uint64(visit(vm.Ref(*slot), typ)) },
		func(refs []vm.Ref, typ wasm.ValType) {
			for i := range refs {
				refs[i] = visit(refs[i], typ)
			}
		})
}

const refImports = `
	(import "host" "new" (func $new (param i32) (result externref)))
	(import "host" "is" (func $is (param externref i32)))
	(import "host" "gc" (func $gc))
	(import "host" "arm" (func $arm))`

// TestReferenceMaps has references of every kind in every kind of place while they move.
func TestReferenceMaps(t *testing.T) {
	w := newWorld(t, 0)
	m := newMover(w)
	w.instance("a", `(module`+refImports+`
		(tag $e (export "e") (param i64 externref f32))
		(func (export "swap") (param $x externref) (param $y externref) (param $v v128) (result externref externref)
			(call $gc) (call $arm)
			(local.get $y) (loop (result externref) (local.get $x)))
		(func (export "throw") (param externref) (call $gc) (throw $e (i64.const 2) (local.get 0) (f32.const 1))))`)
	inst := w.instance("m", `(module`+refImports+`
		(import "a" "swap" (func $swap (param externref externref v128) (result externref externref)))
		(import "a" "throw" (func $throw (param externref)))
		(import "a" "e" (tag $e (param i64 externref f32)))
		(table $t 4 externref)
		(table $f funcref (elem $swap))
		(global $g (mut externref) (ref.null extern))
		(func $id (param externref) (result externref) (call $arm) (call $gc) (local.get 0))
		;; operands below a call, in homes, in locals and as constants
		(func (export "operands") (local $l externref)
			(local.set $l (call $new (i32.const 1)))
			(call $new (i32.const 2)) (i64.const 99) (local.get $l) (ref.null extern) (local.get $l)
			(local.set $l (call $new (i32.const 3)))
			(call $id (call $new (i32.const 4)))
			(call $gc)
			(call $is (i32.const 4))
			(call $is (i32.const 1))
			(drop) (call $is (i32.const 1)) (drop)
			(call $is (i32.const 2))
			(call $is (local.get $l) (i32.const 3)))
		(func (export "loops") (local $i i32) (local $k (ref extern)) (local $never externref)
			(local.set $k (ref.as_non_null (call $new (i32.const 1))))
			(call $new (i32.const 2)) (call $new (i32.const 3))
			(loop $l (param externref externref) (result externref externref)
				(local.set $i (i32.add (local.get $i) (i32.const 1)))
				(call $arm)
				(call $swap (v128.const i64x2 0x1002 0x1002))
				(call $new (i32.const 77))
				(drop)
				(br_if $l (i32.lt_u (local.get $i) (i32.const 10))))
			(call $is (i32.const 3)) (call $is (i32.const 2))
			(call $is (local.get $k) (i32.const 1))
			(if (ref.is_null (local.get $never)) (then) (else (unreachable))))
		(func (export "exceptions") (local $x exnref) (local $i i32)
			(loop $l
				(global.set $g (call $new (i32.const 8)))
				(table.set $t (i32.const 2) (global.get $g))
				(block $h (result i64 externref f32 exnref)
					(call $new (i32.const 5))
					(try_table (catch_ref $e $h) (call $new (i32.const 6)) (call $throw (call $new (i32.const 7))) (unreachable))
					(unreachable))
				(call $gc)
				(local.set $x) (drop) (call $is (i32.const 7)) (drop)
				(call $gc)
				(block $h2 (result i64 externref f32)
					(try_table (catch $e $h2) (throw_ref (local.get $x))) (unreachable))
				(call $gc)
				(drop) (call $is (i32.const 7)) (drop)
				(call $is (global.get $g) (i32.const 8))
				(call $is (table.get $t (i32.const 2)) (i32.const 8))
				(call $arm)
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20)))))
		(func (export "kinds") (param $p i32) (local $f funcref) (local $a anyref)
			(local.set $f (ref.func $id))
			(local.set $a (ref.i31 (i32.const 5)))
			(any.convert_extern (call $new (i32.const 1)))
			(ref.i31 (i32.const 2))
			(ref.func $id)
			(local.get $a) (extern.convert_any)
			(call $arm)
			(call $gc)
			(call $is (call $id (call $new (i32.const 9))) (i32.const 9))
			(if (i32.ne (i31.get_u (ref.cast i31ref (any.convert_extern))) (i32.const 5)) (then (unreachable)))
			(local.set $f) (call_ref $id_t (call $new (i32.const 3)) (ref.cast (ref $id_t) (local.get $f)))
			(call $is (i32.const 3))
			(drop)
			(call $is (extern.convert_any) (i32.const 1)))
		(type $id_t (func (param externref) (result externref)))
		(func $tail (param $n i32) (param $x externref) (param $y externref) (result externref)
			(call $arm)
			(if (i32.eqz (local.get $n)) (then (return (local.get $x))))
			(return_call $tail (i32.sub (local.get $n) (i32.const 1)) (local.get $y) (local.get $x)))
		(func (export "tails") (call $is (call $tail (i32.const 100) (call $new (i32.const 1)) (call $new (i32.const 2))) (i32.const 1)))
		(func (export "nulls") (local $x externref)
			(call $arm)
			(block $b (result externref)
				(call $new (i32.const 1))
				(br_on_null 1 (call $new (i32.const 2)))
				(call $gc)
				(call $is (i32.const 2)))
			(call $is (i32.const 1)))
		(elem declare func $id))`)
	for _, name := range []string{"operands", "loops", "exceptions", "kinds", "tails", "nulls"} {
		before := m.polls
		m.arm(w.thread)
		var args []uint64
		if _, err := w.call(inst, name, args...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "loops" && m.polls-before < 10 {
			t.Errorf("%s: %d safepoints", name, m.polls-before)
		}
	}
}

// TestCalleeIsLive: a call by reference may have to begin again at its safepoint, so the reference is live there, and no more while the callee
// runs.
func TestCalleeIsLive(t *testing.T) {
	for _, op := range []string{"call_ref", "return_call_ref"} {
		w := newWorld(t, 0)
		var polls, listed, later int
		var inst *vm.Instance
		count := func(th *vm.Thread) (n int) {
			w.engine.StackRefs(th, func(slot *uint64, typ wasm.ValType) {
				if w.types.TopOf(typ) == wasm.HeapFunc && *slot == uint64(inst.FuncRef(2)) {
					n++
				}
			})
			return n
		}
		w.engine.onPoll = func(th *vm.Thread) {
			polls++
			listed = count(th)
		}
		w.host("look", nil, nil, func(th *vm.Thread, _ []uint64) error {
			later = count(th)
			return nil
		})
		w.host("arm", nil, nil, func(th *vm.Thread, _ []uint64) error {
			th.Yield()
			return nil
		})
		inst = w.instance("m", `(module
			(import "host" "look" (func $look)) (import "host" "arm" (func $arm))
			(type $t (func (param i32) (result i32)))
			(func $f (type $t) (call $look) (local.get 0))
			(func (export "run") (result i32)
				(i32.const 5) (block (result (ref $t)) (ref.func $f)) (call $arm)
				(`+op+` $t)) (elem declare func $f))`)
		w.want(inst, 5, "run")
		if polls != 1 || listed != 1 || later != 0 {
			t.Errorf("%s: %d safepoints, listed %d times there and %d times later", op, polls, listed, later)
		}
	}
}

// TestHostValuesAreCollected: values that a guest gets and forgets are freed while it runs, those that it keeps are not; those of arguments are
// freed by calls that are too short for a safepoint; those that the host has made for later calls are not freed before.
func TestHostValuesAreCollected(t *testing.T) {
	const n, most = 100_000, 20_000
	w := newWorld(t, 0)
	made := 0
	w.host("make", nil, []wasm.ValType{wasm.ExternRef}, func(th *vm.Thread, s []uint64) error {
		made++
		s[0] = uint64(th.Store.HostRef(made))
		return nil
	})
	m := w.instance("m", `(module
		(import "host" "make" (func $make (result externref)))
		(table (export "t") 2 externref)
		(func (export "loop") (param $n i32) (result externref) (local $x externref)
			(table.set (i32.const 1) (call $make))
			(local.set $x (call $make))
			(loop $l
				(drop (call $make))
				(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
			(local.get $x))
		(func (export "keep") (param externref) (table.set (i32.const 0) (local.get 0))))`)
	s := w.thread.Store
	live := func(when string) {
		t.Helper()
		if l := s.LiveHandles(); l > most {
			t.Errorf("%s: %d values are live", when, l)
		}
	}
	value := func(r vm.Ref, want int) {
		t.Helper()
		if v, ok := s.HostValue(r); !ok || v != want {
			t.Errorf("reference %#x leads to %v (%v), want %d", r, v, ok, want)
		}
	}
	res, err := w.call(m, "loop", n)
	if err != nil {
		t.Fatal(err)
	}
	live("a loop that drops them")
	table := m.Tables[0].Refs()
	value(table[1], 1)
	value(vm.Ref(res[0]), 2)
	for i := range n {
		if _, err := w.call(m, "keep", uint64(s.HostRef(-i))); err != nil {
			t.Fatal(err)
		}
		if i%5000 == 0 {
			value(table[0], -i)
		}
	}
	live("arguments of calls")
	value(table[1], 1)
	var batch []vm.Ref
	for i := range most {
		batch = append(batch, s.HostRef(1_000_000+i))
	}
	for i, r := range batch {
		value(r, 1_000_000+i)
	}
}

// program is a random program over references with its own interpreter: lines of text, and what they do to a state.
type program struct {
	r     *rand.Rand
	text  strings.Builder
	funcs []*guestFunc
	ids   int
}

// guestFunc takes and returns references.
type guestFunc struct {
	params, results int
	locals          int
	body            []step
	cost            int // steps that a call takes
}

type step struct {
	text string
	do   func(s *state)
	body []step // of a block or a loop
	n    int    // rounds of a loop, 1 for a block
	args int    // operands that a block takes and gives
}

type state struct{ stack, locals []int }

func (s *state) push(v int) { s.stack = append(s.stack, v) }
func (s *state) pop() int {
	v := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	return v
}

func runSteps(steps []step, s *state) {
	for _, st := range steps {
		for i := 0; i < st.n; i++ {
			runSteps(st.body, s)
		}
		if st.do != nil {
			st.do(s)
		}
	}
}

// steps makes random steps that leave height operands on a stack of height h.
func (p *program) steps(f *guestFunc, depth, h, height, n, loops int) (out []step) {
	f.cost += n << (2 * loops)
	add := func(text string, do func(*state)) { out = append(out, step{text: text, do: do}) }
	newRef := func() {
		p.ids++
		id := p.ids
		add(fmt.Sprintf("(call $new (i32.const %d))", id), func(s *state) { s.push(id) })
		h++
	}
	for ; n > 0; n-- {
		x := p.r.IntN(f.locals)
		switch k := p.r.IntN(13); {
		case k == 0:
			newRef()
		case k <= 2:
			add(fmt.Sprintf("(local.get %d)", x), func(s *state) { s.push(s.locals[x]) })
			h++
		case k == 3 && h > 0:
			add(fmt.Sprintf("(local.set %d)", x), func(s *state) { s.locals[x] = s.pop() })
			h--
		case k == 4 && h > 0:
			add(fmt.Sprintf("(local.tee %d)", x), func(s *state) { s.locals[x] = s.stack[len(s.stack)-1] })
		case k == 5:
			add("(call $gc)", nil)
		case k == 6:
			add("(call $arm)", nil)
		case k == 7 && h >= 2:
			c := p.r.IntN(2)
			add(fmt.Sprintf("(select (result externref) (i32.const %d))", c), func(s *state) {
				y, x := s.pop(), s.pop()
				s.push([]int{y, x}[c])
			})
			h--
		case k == 8 && h > 0:
			add("(drop)", func(s *state) { s.pop() })
			h--
		case k <= 10 && len(p.funcs) > 0:
			i := p.r.IntN(len(p.funcs))
			g := p.funcs[i]
			if f.cost += g.cost << (2 * loops); f.cost > 5000 {
				f.cost -= g.cost << (2 * loops)
				continue
			}
			for h < g.params {
				newRef()
			}
			add(fmt.Sprintf("(call $f%d)", i), func(s *state) {
				at := len(s.stack) - g.params
				res := g.run(s.stack[at:])
				s.stack = append(s.stack[:at], res...)
			})
			h += g.results - g.params
		case depth > 0:
			args := p.r.IntN(h + 1)
			st := step{n: 1, args: args}
			sig := strings.TrimSuffix("(param"+strings.Repeat(" externref", args)+") (result"+strings.Repeat(" externref", args)+")", "")
			body := p.steps(f, depth-1, args, args, 6, loops+1)
			if p.r.IntN(2) == 0 {
				st.text = "(block " + sig + text(body) + ")"
			} else {
				st.n = 1 + p.r.IntN(3)
				counter := fmt.Sprintf("$i%d", loops)
				st.text = fmt.Sprintf("(local.set %[1]s (i32.const 0)) (loop $l %[2]s %[3]s (br_if $l (i32.lt_u (local.tee %[1]s (i32.add (local.get %[1]s) (i32.const 1))) (i32.const %[4]d))))",
					counter, sig, text(body), st.n)
			}
			st.body = body
			out = append(out, st)
		}
	}
	for h > height {
		add("(drop)", func(s *state) { s.pop() })
		h--
	}
	for h < height {
		newRef()
	}
	return out
}

func text(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(" " + s.text)
	}
	return b.String()
}

func (f *guestFunc) run(args []int) []int {
	s := &state{locals: make([]int, f.locals)}
	copy(s.locals, args)
	runSteps(f.body, s)
	return s.stack
}

// TestReferenceMapsRandom compares random programs, whose references move at random safepoints, with what they should compute.
func TestReferenceMapsRandom(t *testing.T) {
	polls, cycles := 0, 0
	for seed := range uint64(150) {
		w := newWorld(t, 0)
		m := newMover(w)
		p := &program{r: rand.New(rand.NewPCG(seed, 1))}
		var src strings.Builder
		src.WriteString("(module" + refImports)
		for i := range 5 {
			f := &guestFunc{params: p.r.IntN(4), results: p.r.IntN(4)}
			f.locals = f.params + 1 + p.r.IntN(3)
			f.body = p.steps(f, 3, 0, f.results, 14, 0)
			fmt.Fprintf(&src, "\n(func $f%d (export \"f%d\") (param%s) (result%s) (local%s) (local $i0 i32) (local $i1 i32) (local $i2 i32) %s)", i, i,
				strings.Repeat(" externref", f.params), strings.Repeat(" externref", f.results), strings.Repeat(" externref", f.locals-f.params), text(f.body))
			p.funcs = append(p.funcs, f)
		}
		src.WriteString(")")
		inst := w.instance("m", src.String())
		for i, f := range p.funcs {
			var args []uint64
			var ids []int
			for k := range f.params {
				ids = append(ids, 1000+k)
				args = append(args, uint64(m.add(uint64(1000+k))))
			}
			want := f.run(ids)
			got, err := w.call(inst, fmt.Sprintf("f%d", i), args...)
			if err != nil {
				t.Fatalf("seed %d: f%d: %v\n%s", seed, i, err, src.String())
			}
			for k, r := range got {
				if id := int(m.objects[vm.Ref(r)]); id != want[k] {
					t.Errorf("seed %d: f%d: result %d is object %d, want %d", seed, i, k, id, want[k])
				}
			}
		}
		polls += m.polls
		cycles += m.cycles
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, src.String())
		}
	}
	t.Logf("%d safepoints by a flag, %d in all", polls, cycles)
	if polls < 1000 || cycles < 5000 {
		t.Errorf("only %d safepoints by a flag, %d in all", polls, cycles)
	}
}
