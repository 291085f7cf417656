package main

import "errors"

// The evaluator is a loop. Each step either looks at the expression in t.expr, or gives the value in t.val to the frame on top of the stack. A frame is
// some words and, above them, one that says what to do with the value:
//
//	| words of the frame ... | frame | <- top
//
// Whatever is still to be done is in the registers and on the stack; Go's stack is as deep in a recursion of a million calls as it is in
// none. A call in tail position pushes no frame, and so takes no stack.

// Eval reads all expressions of a text, evaluates them, and returns the last one's value. It stays valid until the thread's next safepoint. Errors are *Error.
func (t *Thread) Eval(src string) (word, error) {
	return t.guard(func() { t.program(src) })
}

// program makes the machine evaluate a text.
func (t *Thread) program(src string) {
	t.env = null
	t.body(t.read(src))
}

// guard sets up the machine by begin and runs it until the value is there. An error goes to the innermost try or, if there is none, ends it.
func (t *Thread) guard(begin func()) (word, error) {
	base := len(t.stack)
	handlers := len(t.handlers)
	t.steps = 0
	err := t.catch(func() {
		t.push(frame(frameDone))
		begin()
		t.run()
	})
	for err != nil && len(t.handlers) > handlers {
		e := err
		err = t.catch(func() {
			t.handle(e)
			t.run()
		})
	}
	t.expr, t.env = 0, 0
	if err != nil {
		t.stack, t.val = t.stack[:base], 0
		return 0, err
	}
	return t.val, nil
}

// catch turns what fail has thrown into an error.
func (t *Thread) catch(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e, ours := p.(*Error)
			if !ours {
				panic(p)
			}
			err = e
		}
	}()
	f()
	return nil
}

// run goes on until the frame below everything else gets its value.
func (t *Thread) run() {
	for {
		t.safepoint()
		if t.steps++; t.v.maxSteps > 0 && t.steps > t.v.maxSteps {
			fail("out of steps") // and again in each try
		}
		if !t.returning {
			t.step()
			continue
		}
		f := number(t.pop())
		if f == frameDone {
			return
		}
		frames[f](t)
	}
}

func (t *Thread) eval(expr word) { t.expr, t.returning = expr, false }

func (t *Thread) ret(val word) { t.val, t.returning = val, true }

// step evaluates t.expr in t.env.
func (t *Thread) step() {
	switch {
	case t.is(t.expr, t.v.symbol):
		t.ret(t.variable(t.expr))
	case !t.is(t.expr, t.v.pair):
		t.ret(t.expr)
	default:
		head := t.car(t.expr)
		if t.is(head, t.v.symbol) {
			if f := t.field(head, symValue); isSpecial(f, kindForm) {
				forms[number(f)].run(t, t.cdr(t.expr))
				return
			}
		}
		t.push(t.cdr(t.expr), t.env, integer(0), frame(frameArg))
		t.eval(head)
	}
}

// An environment is a list of ribs, one for each call or let, and a rib is a list of (symbol . value). The global one is the empty list.

// binding finds the pair that holds a variable's value, 0 if there is none but the global one.
func (t *Thread) binding(sym word) word {
	for env := t.env; env != null; env = t.cdr(env) {
		for rib := t.car(env); rib != null; rib = t.cdr(rib) {
			if b := t.car(rib); t.car(b) == sym {
				return b
			}
		}
	}
	return 0
}

func (t *Thread) variable(sym word) word {
	var val word
	if b := t.binding(sym); b != 0 {
		val = t.cdr(b)
	} else {
		val = t.field(sym, symValue)
	}
	if val == 0 {
		fail("%s has no value", t.show(sym))
	}
	return val
}

// body evaluates the expressions of a list, the last one in tail position.
func (t *Thread) body(list word) {
	if list == null {
		t.ret(void)
		return
	}
	if rest := t.cdr(list); rest != null {
		t.push(rest, t.env, frame(frameBody))
	}
	t.eval(t.car(list))
}

// apply calls the function that lies on the stack below its n arguments.
func (t *Thread) apply(n int) {
	f := *t.top(n)
	switch {
	case isSpecial(f, kindPrim):
		p := &prims[number(f)]
		if n < p.min || p.max >= 0 && n > p.max {
			fail("%s takes other than %d arguments", p.name, n)
		}
		val := p.fn(t, t.stack[len(t.stack)-n:])
		if val == 0 {
			return // it has set up the machine itself
		}
		t.drop(n + 1)
		t.ret(val)
	case t.is(f, t.v.closure):
		t.call(n)
	default:
		fail("%s is no function", t.show(f))
	}
}

// call binds a closure's parameters. The rib and what remains of the parameters lie on the stack above the arguments, as each
// binding is an allocation.
func (t *Thread) call(n int) {
	f := n + 2 // the closure's place, from the top
	t.push(null, t.field(*t.top(n), fnParams))
	for i := range n {
		params := *t.top(0)
		if t.is(params, t.v.symbol) { // the rest, as a list
			t.push(t.stack[len(t.stack)-2-(n-i) : len(t.stack)-2]...)
			rest := t.list(n-i, null)
			t.bind(1, *t.top(0), rest)
			*t.top(0) = null
			break
		}
		if params == null {
			fail("too many arguments for %s", t.show(*t.top(f)))
		}
		t.bind(1, t.car(params), *t.top(2 + n - 1 - i))
		*t.top(0) = t.cdr(*t.top(0))
	}
	if params := *t.top(0); t.is(params, t.v.symbol) {
		t.bind(1, params, null)
	} else if params != null {
		fail("too few arguments for %s", t.show(*t.top(f)))
	}
	closure := *t.top(f)
	t.env = t.cons(*t.top(1), t.field(closure, fnEnv))
	closure = *t.top(f) // it may have moved
	t.drop(n + 3)
	t.body(t.field(closure, fnBody))
}

// bind adds a variable to the rib that lies on the stack, i words from the top.
func (t *Thread) bind(i int, sym, val word) {
	b := t.cons(sym, val)
	*t.top(i) = t.cons(b, *t.top(i))
}

// handle goes on at the innermost try, with the error's message.
func (t *Thread) handle(err error) {
	k := len(t.handlers) - 1
	t.stack, t.handlers = t.stack[:t.handlers[k]], t.handlers[:k]
	t.expr, t.val = 0, 0
	t.env = t.pop()
	handler := t.pop()
	msg := err.Error()
	var e *Error
	if errors.As(err, &e) {
		msg = e.Msg
	}
	t.expr = handler
	t.push(t.string(msg), frame(frameHandler))
	t.eval(t.expr)
}
