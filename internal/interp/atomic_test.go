package interp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// atomicOps are the accesses of the threads proposal, without wait, notify and fence.
func atomicOps(t testing.TB) (ops []wasm.Opcode) {
	for o := wasm.OpI32AtomicLoad; o < wasm.NumOpcodes; o++ {
		if o.Prefix() == 0xFE && o.Info().Name != "" {
			ops = append(ops, o)
		}
	}
	if len(ops) != 63 {
		t.Fatalf("%d atomic accesses in the instruction table, want 63", len(ops))
	}
	return ops
}

// atomicModel is what an access makes of a cell of some bits: the new content and the result.
func atomicModel(o wasm.Opcode, bits int, cell, x, y uint64) (content, result uint64) {
	wrap := uint64(1)<<(bits-1)<<1 - 1
	name := o.String()
	verb := name[strings.LastIndexByte(name, '.')+1:]
	verb = strings.TrimSuffix(verb, "_u")
	switch {
	case strings.HasPrefix(verb, "load"):
		return cell, cell
	case strings.HasPrefix(verb, "store"):
		return x & wrap, 0
	}
	switch verb {
	case "add":
		return (cell + x) & wrap, cell
	case "sub":
		return (cell - x) & wrap, cell
	case "and":
		return cell & x, cell
	case "or":
		return (cell | x) & wrap, cell
	case "xor":
		return (cell ^ x) & wrap, cell
	case "xchg":
		return x & wrap, cell
	case "cmpxchg":
		if cell == x&wrap {
			return y & wrap, cell
		}
		return cell, cell
	}
	panic("no model of " + name)
}

// TestAtomicAccesses runs every access on every kind of memory against the model: aligned, misaligned, and beyond the end. An access
// that is both misaligned and out of bounds is misaligned.
func TestAtomicAccesses(t *testing.T) {
	for _, shared := range []string{"", " shared"} {
		for _, mem := range memories {
			decl := strings.ReplaceAll(mem.decl, "1 2)", "1 2"+shared+")")
			for _, o := range atomicOps(t) {
				t.Run(mem.name+shared+"/"+o.String(), func(t *testing.T) { testAtomicAccess(t, o, decl, mem.index, mem.addr) })
			}
		}
	}
}

func testAtomicAccess(t *testing.T, o wasm.Opcode, decl, index, addr string) {
	info := o.Info()
	size, end := uint64(info.Width), uint64(wasm.PageSize)
	offsets := []uint64{0, 8, 4096}
	src, params, homes, locals := decl, "", "", ""
	for k, p := range []byte(info.Params) {
		typ := addr
		if p != 'a' {
			typ = typeWords[p]
		}
		params += " " + typ
		locals += fmt.Sprintf(" (local.get %d)", k)
		homes += fmt.Sprintf(" (block (result %s) (local.get %d))", typ, k)
	}
	result := ""
	if info.Results != "" {
		result = "(result " + typeWords[info.Results[0]] + ")"
	}
	for i, off := range offsets {
		imm := fmt.Sprintf("%s %s offset=%d", o, index, off)
		src += fmt.Sprintf("(func (export \"a%d\") (param%s) %s (%s%s))", i, params, result, imm, locals)
		src += fmt.Sprintf("(func (export \"b%d\") (param%s) %s (%s%s))", i, params, result, imm, homes)
	}
	w := newWorld(t, 0)
	inst := w.instance("m", "(module "+src+")")
	x, _ := inst.Export("m")
	data := x.Memory.Bytes()
	r := rand.New(rand.NewPCG(uint64(o), 3))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	model := append([]byte(nil), data...)
	for n := range 45 {
		i := n % len(offsets)
		at := r.Uint64N((end - offsets[i]) / size)
		at = []uint64{at * size, at*size + 1, end - offsets[i] - size, end - offsets[i], end - offsets[i] + 1}[n%5]
		args := []uint64{at, r.Uint64(), r.Uint64()}
		ea := at + offsets[i]
		var cell uint64
		in := ea < end && ea%size == 0
		if in {
			for k := range size {
				cell |= uint64(model[ea+k]) << (8 * k)
			}
			if n%2 == 0 { // so that cmpxchg meets what it expects, in more bits than the cell has
				args[1] = cell | r.Uint64()<<(8*size-1)<<1
			}
		}
		for k, p := range []byte(info.Params) {
			if p == 'i' {
				args[k] &= 0xFFFFFFFF
			}
		}
		out, err := w.call(inst, fmt.Sprint([]string{"a", "b"}[n/5%2], i), args[:len(info.Params)]...)
		if !in {
			want := vm.TrapMemoryOutOfBounds
			if ea%size != 0 {
				want = vm.TrapUnalignedAtomic
			}
			var trap *vm.TrapError
			if !errors.As(err, &trap) || trap.Code != want {
				t.Fatalf("%s at %d + %d, memory %q: %v, want %v", o, at, offsets[i], index, err, want)
			}
		} else {
			if err != nil {
				t.Fatalf("%s at %d + %d: %v", o, at, offsets[i], err)
			}
			content, want := atomicModel(o, int(8*size), cell, args[1], args[2])
			for k := range size {
				model[ea+k] = byte(content >> (8 * k))
			}
			if result != "" && out[0] != want {
				t.Fatalf("%s%x on %#x = %#x, want %#x", o, args, cell, out[0], want)
			}
		}
		if string(data) != string(model) {
			t.Fatalf("%s%x on %#x: memory differs from the model", o, args, cell)
		}
	}
}

// team is several threads on one shared memory.
type team struct {
	t      *testing.T
	memory *vm.Memory
	worlds []*world
	insts  []*vm.Instance
}

// newTeam makes n threads with an instance of src each, which imports the memory as "m" "m".
func newTeam(t *testing.T, n int, src string) *team {
	tm := &team{t: t}
	owner := newWorld(t, 0).instance("m", `(module (memory (export "m") 1 3 shared))`)
	x, _ := owner.Export("m")
	tm.memory = x.Memory
	for range n {
		w := newWorld(t, 0)
		w.insts["m"] = owner
		tm.worlds = append(tm.worlds, w)
		tm.insts = append(tm.insts, w.instance("x", "(module (memory (import \"m\" \"m\") 1 3 shared)"+src+")"))
	}
	return tm
}

// all calls an export in all threads at once, with the thread's number before args, and returns the results.
func (tm *team) all(export string, args ...uint64) []uint64 {
	tm.t.Helper()
	results := make([]uint64, len(tm.worlds))
	var wg sync.WaitGroup
	for i, w := range tm.worlds {
		wg.Go(func() {
			out, err := w.call(tm.insts[i], export, append([]uint64{uint64(i)}, args...)...)
			if err != nil {
				tm.t.Errorf("%s in thread %d: %v", export, i, err)
			} else if len(out) > 0 {
				results[i] = out[0]
			}
		})
	}
	wg.Wait()
	return results
}

func (tm *team) cell(at, size uint64) (v uint64) {
	for k := range size {
		v |= uint64(tm.memory.Bytes()[at+k]) << (8 * k)
	}
	return v
}

func (tm *team) clear() { clear(tm.memory.Bytes()) }

// cellTypes are the sizes of cells by the instructions' names: value type, infix, suffix, bytes.
var cellTypes = []struct {
	typ, infix, suffix string
	size               uint64
}{
	{"i32", "8", "_u", 1}, {"i32", "16", "_u", 2}, {"i32", "", "", 4}, {"i64", "8", "_u", 1}, {"i64", "16", "_u", 2}, {"i64", "32", "_u", 4}, {"i64", "", "", 8},
}

// TestAtomicHammer has four threads work on one cell, and on neighbouring cells of one word, at the same time. What they add up, toggle,
// pass around or count must come out as if they had taken turns.
func TestAtomicHammer(t *testing.T) {
	const threads = 4
	rounds := uint64(20000)
	if testing.Short() {
		rounds = 2000
	}
	for _, c := range cellTypes {
		rmw := func(verb string) string { return c.typ + ".atomic.rmw" + c.infix + "." + verb + c.suffix }
		load := c.typ + ".atomic.load" + c.infix + c.suffix
		// own is the thread's cell: they fill a word or more. $t is its number, $n the rounds.
		loop := func(name, locals, body, result string) string {
			typ := ""
			if result != "" {
				typ = "(result " + c.typ + ")"
			}
			return fmt.Sprintf(`(func (export %q) (param $t i32) (param $n i32) %s (local $own i32) (local $bit %s) %s
				(local.set $own (i32.add (i32.const 64) (i32.mul (local.get $t) (i32.const %d))))
				(local.set $bit (%s.shl (%s.const 1) %s))
				(loop $again %s
					(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
				%s)
				`, name, typ, c.typ, locals, c.size, c.typ, c.typ, map[string]string{"i32": "(local.get $t)", "i64": "(i64.extend_i32_u (local.get $t))"}[c.typ], body, result)
		}
		num := func(n int) string { return fmt.Sprintf("(%s.const %d)", c.typ, n) }
		cell := "(i32.const 0)"
		tm := newTeam(t, threads,
			loop("add", "", "(drop ("+rmw("add")+cell+num(3)+")) (drop ("+rmw("add")+"(local.get $own)"+num(5)+"))", "")+
				loop("sub", "", "(drop ("+rmw("sub")+cell+num(3)+")) (drop ("+rmw("sub")+"(local.get $own)"+num(5)+"))", "")+
				loop("xor", "", "(drop ("+rmw("xor")+cell+"(local.get $bit)))(drop ("+rmw("xor")+"(local.get $own)"+num(1)+"))", "")+
				// Sets and clears the own bit, and counts when it was not as it was left.
				loop("bits", "(local $wrong "+c.typ+")", fmt.Sprintf(`
					(local.set $wrong (%[1]s.add (local.get $wrong) (%[1]s.and (local.get $bit) (%[2]s %[4]s (local.get $bit)))))
					(local.set $wrong (%[1]s.add (local.get $wrong) (%[1]s.xor (local.get $bit)
						(%[1]s.and (local.get $bit) (%[3]s %[4]s (%[1]s.xor (local.get $bit) (%[1]s.const -1)))))))`,
					c.typ, rmw("or"), rmw("and"), cell), "(local.get $wrong)")+
				// What a thread puts in (its rounds) someone takes out: the sums agree.
				loop("xchg", "(local $sum "+c.typ+")", fmt.Sprintf("(local.set $sum (%s.add (local.get $sum) (%s %s %s)))", c.typ, rmw("xchg"), cell,
					map[string]string{"i32": "(local.get $n)", "i64": "(i64.extend_i32_u (local.get $n))"}[c.typ]), "(local.get $sum)")+
				// Counts by compare and exchange, the own cell too.
				loop("cmpxchg", "(local $old "+c.typ+")", fmt.Sprintf(`
					(loop $retry
						(local.set $old (%[1]s %[4]s))
						(br_if $retry (%[2]s.ne (local.get $old) (%[3]s %[4]s (local.get $old) (%[2]s.add (local.get $old) %[5]s)))))
					(local.set $old (%[1]s (local.get $own)))
					(drop (%[3]s (local.get $own) (local.get $old) (%[2]s.add (local.get $old) %[5]s)))`,
					load, c.typ, rmw("cmpxchg"), cell, num(1)), "")+
				// Stores to the own cell do not disturb the neighbours.
				loop("store", "", fmt.Sprintf(`(%s.atomic.store%s (local.get $own) %s)`, c.typ, c.infix,
					map[string]string{"i32": "(i32.add (local.get $n) (local.get $t))", "i64": "(i64.extend_i32_u (i32.add (local.get $n) (local.get $t)))"}[c.typ]), ""))
		wrap := uint64(1)<<(8*c.size-1)<<1 - 1
		check := func(what string, got, want uint64) {
			if got&wrap != want&wrap {
				t.Errorf("%s %s on %d bytes: %#x, want %#x", c.typ, what, c.size, got&wrap, want&wrap)
			}
		}
		own := func(what string, want func(i uint64) uint64) {
			for i := range uint64(threads) {
				check(what+" on the own cell", tm.cell(64+i*c.size, c.size), want(i))
			}
		}
		n := rounds + 1 // odd
		tm.all("add", n)
		check("add", tm.cell(0, c.size), threads*n*3)
		own("add", func(uint64) uint64 { return n * 5 })
		tm.all("sub", n)
		check("sub", tm.cell(0, c.size), 0)
		own("sub", func(uint64) uint64 { return 0 })
		tm.all("xor", n)
		check("xor", tm.cell(0, c.size), 1<<threads-1)
		own("xor", func(uint64) uint64 { return 1 })
		tm.clear()
		for i, wrong := range tm.all("bits", n) {
			check(fmt.Sprint("bits found wrong by thread ", i), wrong, 0)
		}
		check("bits", tm.cell(0, c.size), 0)
		sum := uint64(0)
		for _, s := range tm.all("xchg", n) {
			sum += s
		}
		if c.size >= 4 {
			check("xchg", sum+tm.cell(0, c.size), threads*n*(n+1)/2)
		} else { // only what fits the cell goes in
			in := uint64(0)
			for k := uint64(1); k <= n; k++ {
				in += k & wrap
			}
			if got := sum + tm.cell(0, c.size); got != threads*in {
				t.Errorf("%s xchg on %d bytes: %d taken out, %d put in", c.typ, c.size, got, threads*in)
			}
		}
		tm.clear()
		tm.all("cmpxchg", n)
		check("cmpxchg", tm.cell(0, c.size), threads*n)
		own("cmpxchg", func(uint64) uint64 { return n })
		tm.all("store", n)
		own("store", func(i uint64) uint64 { return 1 + i })
	}
}

// TestAtomicMessage passes messages of plain data between two threads, by an atomic flag of every size: what was written before the
// flag's store is seen after its load.
func TestAtomicMessage(t *testing.T) {
	for _, c := range cellTypes {
		k := func(n int) string { return fmt.Sprintf("(%s.const %d)", c.typ, n) }
		load, store := c.typ+".atomic.load"+c.infix+c.suffix, c.typ+".atomic.store"+c.infix
		// Thread 0 writes and sets the flag to 1, thread 1 reads and sets it back to 0. The result counts what was read wrong. Waiting threads
		// yield at their backward branches when the scheduler asks for it.
		tm := newTeam(t, 2, fmt.Sprintf(`
			(func (export "run") (param $t i32) (param $n i32) (result i32) (local $wrong i32)
				(loop $again
					(if (local.get $t)
						(then
							(loop $wait (br_if $wait (%[1]s.ne (%[2]s (i32.const 0)) %[4]s)))
							(local.set $wrong (i32.add (local.get $wrong) (i32.ne (i32.load (i32.const 128)) (local.get $n))))
							(%[3]s (i32.const 0) %[5]s))
						(else
							(loop $wait (br_if $wait (%[1]s.ne (%[2]s (i32.const 0)) %[5]s)))
							(i32.store (i32.const 128) (local.get $n))
							(atomic.fence)
							(%[3]s (i32.const 0) %[4]s)))
					(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
				(local.get $wrong))`, c.typ, load, store, k(1), k(0)))
		for i, wrong := range tm.all("run", 20) {
			if wrong != 0 {
				t.Errorf("%s, %d bytes: thread %d read %d wrong messages", c.typ, c.size, i, wrong)
			}
		}
	}
}

// TestWaitNotify checks wait and notify as instructions: operands, results, traps and the order of checks. Queues are package vm's.
func TestWaitNotify(t *testing.T) {
	for _, mem := range memories {
		for _, shared := range []bool{false, true} {
			decl := mem.decl
			if shared {
				decl = strings.ReplaceAll(decl, "1 2)", "1 2 shared)")
			}
			w := newWorld(t, 0)
			inst := w.instance("m", fmt.Sprintf(`(module %[1]s
				(func (export "wait32") (param %[2]s i32 i64) (result i32) (memory.atomic.wait32 %[3]s offset=8 (local.get 0) (local.get 1) (local.get 2)))
				(func (export "wait64") (param %[2]s i64 i64) (result i32) (memory.atomic.wait64 %[3]s offset=8 (local.get 0) (local.get 1) (local.get 2)))
				(func (export "notify") (param %[2]s i32) (result i32) (memory.atomic.notify %[3]s offset=8 (local.get 0) (local.get 1)))
				(func (export "store") (param %[2]s i64) (i64.store %[3]s offset=8 (local.get 0) (local.get 1))))`, decl, mem.addr, mem.index))
			if _, err := w.call(inst, "store", 16, 0x1234567890ABCDEF); err != nil {
				t.Fatal(err)
			}
			w.want(inst, 0, "notify", 16, 0xFFFFFFFF)
			w.wantTrap(inst, vm.TrapUnalignedAtomic, "notify", 65534, 1)
			w.wantTrap(inst, vm.TrapMemoryOutOfBounds, "notify", 65536-8, 1)
			w.wantTrap(inst, vm.TrapUnalignedAtomic, "wait32", 17, 0, 0)
			w.wantTrap(inst, vm.TrapUnalignedAtomic, "wait64", 20, 0, 0)
			w.wantTrap(inst, vm.TrapUnalignedAtomic, "wait64", 65540, 0, 0)
			if !shared {
				w.wantTrap(inst, vm.TrapExpectedShared, "wait32", 16, 0, 0)
				w.wantTrap(inst, vm.TrapExpectedShared, "wait64", 65536, 0, 0)
				continue
			}
			w.wantTrap(inst, vm.TrapMemoryOutOfBounds, "wait32", 65536-8, 0, 0)
			w.wantTrap(inst, vm.TrapMemoryOutOfBounds, "wait64", 65536-8, 0, 0)
			w.want(inst, vm.WaitNotEqual, "wait32", 16, 0x90ABCDEE, 0xFFFFFFFFFFFFFFFF)
			w.want(inst, vm.WaitNotEqual, "wait64", 16, 0x90ABCDEF, 0xFFFFFFFFFFFFFFFF)
			w.want(inst, vm.WaitTimedOut, "wait32", 16, 0x90ABCDEF, 0)
			w.want(inst, vm.WaitTimedOut, "wait64", 16, 0x1234567890ABCDEF, 1000)
			if mem.addr == "i64" {
				w.wantTrap(inst, vm.TrapMemoryOutOfBounds, "wait32", 0xFFFFFFFFFFFFFFF8, 0, 0) // the sum wraps
				w.wantTrap(inst, vm.TrapMemoryOutOfBounds, "notify", 0xFFFFFFFFFFFFFFFC, 0)
			}
		}
	}
}

// TestWaitWakes has threads wait on one cell until another one notifies all of them, and stops one that waits for ever.
func TestWaitWakes(t *testing.T) {
	tm := newTeam(t, 4, `
		;; Thread 0 wakes the others, by and by, until all have told that they were woken.
		(func (export "run") (param $t i32) (result i32) (local $woken i32)
			(if (local.get $t) (then (return (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
			(loop $again
				(local.set $woken (i32.add (local.get $woken) (memory.atomic.notify (i32.const 0) (i32.const 2))))
				(br_if $again (i32.lt_u (local.get $woken) (i32.const 3))))
			(local.get $woken))
		(func (export "stuck") (param i32) (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))`)
	for i, got := range tm.all("run") {
		if want := []uint64{3, vm.WaitOK}[min(i, 1)]; got != want {
			t.Errorf("thread %d: %d, want %d", i, got, want)
		}
	}
	done := make(chan error)
	go func() {
		_, err := tm.worlds[0].call(tm.insts[0], "stuck", 0)
		done <- err
	}()
	for tm.memory.Waiters() == 0 {
		runtime.Gosched()
	}
	cause := errors.New("enough")
	tm.worlds[0].thread.Stop(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("a stopped wait returns %v, want the cause", err)
	}
}

// TestGrowSeen has one thread grow the memory while others, which stay in the loop that knows the old size, wait to use the new page.
func TestGrowSeen(t *testing.T) {
	for _, access := range []string{"i32.atomic.rmw.add (i32.const 65536) (i32.const 1)", "i32.atomic.rmw8.add_u (i32.add (local.get 0) (i32.const 65536)) (i32.const 1)", "i32.load (i32.const 65536)",
		"i32x4.extract_lane 0 (v128.load (i32.const 131056))"} {
		tm := newTeam(t, 3, `(func (export "run") (param i32) (result i32)
			(if (i32.eqz (local.get 0)) (then (return (memory.grow (i32.const 1)))))
			(loop $wait (br_if $wait (i32.ne (memory.size) (i32.const 2))))
			(`+access+`))`)
		if old := tm.all("run")[0]; old != 1 {
			t.Errorf("grew from %d pages, want 1", old)
		}
	}
}
