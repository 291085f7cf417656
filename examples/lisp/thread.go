package main

import (
	"fmt"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
)

// Thread is a thread of the VM. It belongs to one goroutine.
//
// The rule that keeps references right: an allocation may move every object, so a Go variable must not hold a reference across one. What is needed later
// lies on the stack or in a register, where Roots finds it, and is read from there again.
type Thread struct {
	v *VM
	m *gc.Mutator

	stack []word // never grows beyond what it was made with: views of it stay valid

	// Registers of the evaluator.
	expr, env, val word
	returning      bool  // val is the value that the frame on top of the stack waits for; otherwise expr is to be evaluated in env
	handlers       []int // where on the stack the frames of try begin
	steps          int
	inline         bool // pairs may be allocated without a call
	zealous        bool // safepoints are collections, for debugging
}

// NewThread makes a running thread of the calling goroutine, which calls Exit in the end.
func (v *VM) NewThread() *Thread {
	t := &Thread{v: v, stack: make([]word, 0, v.stackWords)}
	v.Enter()
	t.m = v.heap.NewMutator(t)
	t.inline, t.zealous = t.m.Inline() >= pairSize, t.m.Zealous()
	return t
}

// Exit ends the thread.
func (t *Thread) Exit() {
	t.m.Destroy()
	t.v.Leave()
}

// safepoint lets a collection run if one is waiting.
func (t *Thread) safepoint() {
	t.v.Safepoint()
	if t.zealous {
		t.check(t.m.Safepoint())
	}
}

// Error is what a Lisp program did wrong, or what was not there for it. Try catches it.
type Error struct {
	Msg   string
	Cause error // may be nil
}

func (e *Error) Error() string { return "lisp: " + e.Msg }

func (e *Error) Unwrap() error { return e.Cause }

// fail ends what the thread does with an Error. It is caught in Thread.guard and nowhere else.
func fail(format string, args ...any) { panic(&Error{Msg: fmt.Sprintf(format, args...)}) }

// check fails for an error of the heap.
func (t *Thread) check(err error) {
	if err != nil {
		panic(&Error{Msg: err.Error(), Cause: err})
	}
}

func (t *Thread) push(words ...word) {
	if len(t.stack)+len(words) > cap(t.stack) {
		fail("stack overflow")
	}
	t.stack = append(t.stack, words...)
}

func (t *Thread) pop() word {
	k := len(t.stack) - 1
	w := t.stack[k]
	t.stack = t.stack[:k]
	return w
}

// top is the i-th word from the top of the stack.
func (t *Thread) top(i int) *word { return &t.stack[len(t.stack)-1-i] }

func (t *Thread) drop(n int) { t.stack = t.stack[:len(t.stack)-n] }

// alloc makes an object. Every reference that the caller wants to use afterwards is a root now.
func (t *Thread) alloc(typ gc.TypeID, length int) word {
	r, err := t.m.Alloc(typ, uint32(length))
	if err != nil {
		t.setReserve(0)
		t.check(err)
	}
	return r
}

// reserveBytes is the size of the reserve: a handler of errors allocates, too.
const reserveBytes = 128 << 10

// fillReserve makes a reserve again if it has been used and there is room.
func (t *Thread) fillReserve() {
	t.v.mu.Lock()
	there := t.v.reserve != 0
	t.v.mu.Unlock()
	if there {
		return
	}
	if r, err := t.m.Alloc(t.v.str, reserveBytes); err == nil {
		t.setReserve(r)
	}
}

func (t *Thread) setReserve(r word) {
	t.v.mu.Lock()
	defer t.v.mu.Unlock()
	t.v.reserve = r
}

const pairSize = 16

// cons makes a pair. Its parts are roots meanwhile.
func (t *Thread) cons(car, cdr word) word {
	// The fast path of Mutator.Alloc, for an object whose size and header are known. With stress or a plan that does not bump, inline is false.
	if b := &t.m.Bump; t.inline && b.Limit-b.Cursor >= pairSize {
		r := b.Cursor
		b.Cursor += pairSize
		*t.v.mem.Word(r) = heap.Header(t.v.pair, 0)
		*t.v.mem.Slot(r + carAt), *t.v.mem.Slot(r + cdrAt) = car, cdr
		return r
	}
	t.push(car, cdr)
	r := t.alloc(t.v.pair, 0)
	*t.v.mem.Slot(r + cdrAt), *t.v.mem.Slot(r + carAt) = t.pop(), t.pop()
	return r
}

// list makes a list of the n words on top of the stack and drops them.
func (t *Thread) list(n int, tail word) word {
	for range n {
		tail = t.cons(*t.top(0), tail)
		t.drop(1)
	}
	return tail
}

func (t *Thread) string(s string) word {
	r := t.alloc(t.v.str, len(s))
	copy(t.bytes(r), s)
	return r
}

// bytes is a view of a string, valid until the next safepoint.
func (t *Thread) bytes(r word) []byte {
	return t.v.mem.Bytes(r+heap.HeaderSize, int(t.v.mem.Length(r)))
}

// text is what a string or a symbol's name is.
func (t *Thread) text(r word) string {
	if t.is(r, t.v.symbol) {
		r = t.field(r, symName)
	}
	return string(t.bytes(r))
}

// is reports whether a word is an object of a type.
func (t *Thread) is(w word, typ gc.TypeID) bool { return heap.IsObject(w) && t.v.mem.TypeOf(w) == typ }

func (t *Thread) field(obj word, at uint32) word { return *t.v.mem.Slot(obj + at) }

// set writes a field of an object that may be old: a generational plan wants to know of it. Fields of an object that was made
// since the last safepoint can be written without.
func (t *Thread) set(obj word, at uint32, w word) {
	*t.v.mem.Slot(obj + at) = w
	if t.v.barrier && t.v.mem.Log.Test(obj) {
		t.m.Remember(obj)
	}
}

func (t *Thread) car(w word) word { return t.field(t.want(w, t.v.pair), carAt) }
func (t *Thread) cdr(w word) word { return t.field(t.want(w, t.v.pair), cdrAt) }

// want fails unless a word is an object of a type.
func (t *Thread) want(w word, typ gc.TypeID) word {
	if !t.is(w, typ) {
		fail("%s is no %s", t.show(w), t.v.mem.Types.All()[typ].Name)
	}
	return w
}

func (t *Thread) wantInt(w word) int {
	if !isInt(w) {
		fail("%s is no integer", t.show(w))
	}
	return intOf(w)
}

// intern finds or makes the symbol of a name.
func (t *Thread) intern(name string) word {
	if s := t.lookup(name, 0); s != 0 {
		return s
	}
	t.push(t.string(name))
	s := t.alloc(t.v.symbol, 0)
	*t.v.mem.Slot(s + symName) = t.pop()
	return t.lookup(name, s)
}

// lookup returns the symbol that the table has, after entering s if it has none. Nothing is allocated with the lock held.
func (t *Thread) lookup(name string, s word) word {
	t.v.mu.Lock()
	defer t.v.mu.Unlock()
	if old, ok := t.v.symbols[name]; ok {
		return old
	}
	if s != 0 {
		t.v.symbols[name] = s
	}
	return s
}

// setGlobal gives a symbol a value, which keeps it alive from then on.
func (t *Thread) setGlobal(sym, w word) {
	t.v.mu.Lock()
	defer t.v.mu.Unlock()
	if t.field(sym, symValue) == 0 {
		t.v.globals = append(t.v.globals, sym)
	}
	t.set(sym, symValue, w)
}

// thread is a goroutine that spawn has made.
type thread struct {
	word   word // first the closure, then its value: a root
	err    error
	done   chan struct{} // closed when word and err are there
	joined bool          // guarded by VM.mu; its error has been told
}

// spawn runs a closure without parameters on a thread of its own. While that thread has not begun, its closure is a global root.
func (t *Thread) spawn(closure word) word {
	th := &thread{word: closure, done: make(chan struct{})}
	v := t.v
	v.mu.Lock()
	defer v.mu.Unlock()
	v.threads = append(v.threads, th)
	v.wait.Go(func() {
		t := v.NewThread()
		defer t.Exit()
		defer close(th.done)
		th.word, th.err = t.guard(func() {
			t.push(th.word)
			t.apply(0)
		})
	})
	return special(kindThread, len(v.threads)-1)
}

// join waits for a thread and returns its value. Whoever waits lets collections run meanwhile.
func (t *Thread) join(w word) word {
	if !isSpecial(w, kindThread) {
		fail("%s is no thread", t.show(w))
	}
	t.v.mu.Lock()
	th := t.v.threads[number(w)]
	th.joined = true
	t.v.mu.Unlock()
	t.v.Block(t, func() { <-th.done })
	if th.err != nil {
		fail("a thread failed: %v", th.err)
	}
	return th.word
}
