package main

// form is a special form: it is given its expression's operands, unevaluated.
type form struct {
	name string
	run  func(t *Thread, args word)
}

// The special forms. A global variable of the name has the form as its value, so that local variables may have the name.
var forms []form

func init() { // they refer to the evaluator, which refers to them
	forms = []form{
		{"quote", func(t *Thread, args word) { t.ret(t.car(args)) }},
		{"if", formIf},
		{"cond", cond},
		{"and", and},
		{"or", or},
		{"begin", (*Thread).body},
		{"define", formDefine},
		{"set!", formSet},
		{"lambda", func(t *Thread, args word) { t.ret(t.lambda(t.car(args), t.cdr(args), null)) }},
		{"let", formLet},
		{"try", formTry},
	}
}

// What frames do with the value in t.val. The words below the frame are the frame's, which pops them.
const (
	frameDone    = iota // ends run
	frameArg            // operands to come, env, how many values lie below
	frameBody           // expressions to come, env
	frameIf             // branches, env
	frameCond           // clauses, env
	frameAnd            // operands to come, env
	frameOr             // operands to come, env
	frameDefine         // symbol, env
	frameSet            // symbol, env
	frameLet            // bindings to come, all bindings, body, env, how many values lie below
	frameTry            // handler, env; known to Thread.handlers
	frameHandler        // the error's message
	frameHandled        // nothing
)

func frame(f int) word { return special(kindFrame, f) }

var frames []func(t *Thread)

func init() {
	frames = []func(t *Thread){
		frameArg:     argDone,
		frameBody:    func(t *Thread) { t.env = t.pop(); t.body(t.pop()) },
		frameIf:      ifDone,
		frameCond:    condDone,
		frameAnd:     andDone,
		frameOr:      orDone,
		frameDefine:  defineDone,
		frameSet:     setDone,
		frameLet:     letDone,
		frameTry:     tryDone,
		frameHandler: handlerDone,
		frameHandled: func(t *Thread) { t.fillReserve() }, // t.val is a root, and stays the value
	}
}

// argDone has the function's or an argument's value: it stays on the stack until apply.
func argDone(t *Thread) {
	n, env, rest := intOf(t.pop()), t.pop(), t.pop()
	t.push(t.val)
	if rest == null {
		t.apply(n)
		return
	}
	t.env = env
	t.push(t.cdr(rest), env, integer(n+1), frame(frameArg))
	t.eval(t.car(rest))
}

func formIf(t *Thread, args word) {
	t.push(t.cdr(args), t.env, frame(frameIf))
	t.eval(t.car(args))
}

func ifDone(t *Thread) {
	t.env = t.pop()
	branches := t.pop()
	if t.val == falsum {
		if branches = t.cdr(branches); branches == null {
			t.ret(void)
			return
		}
	}
	t.eval(t.car(branches))
}

func cond(t *Thread, clauses word) {
	if clauses == null {
		t.ret(void)
		return
	}
	t.push(clauses, t.env, frame(frameCond))
	t.eval(t.car(t.car(clauses)))
}

func condDone(t *Thread) {
	t.env = t.pop()
	clauses := t.pop()
	if t.val == falsum {
		cond(t, t.cdr(clauses))
		return
	}
	if body := t.cdr(t.car(clauses)); body != null {
		t.body(body)
	} // otherwise the test's value
}

func and(t *Thread, args word) { t.inTurn(args, truth, frameAnd) }
func or(t *Thread, args word)  { t.inTurn(args, falsum, frameOr) }

// inTurn evaluates the first of the operands; the last one is in tail position. Of none the value is none.
func (t *Thread) inTurn(args, none word, f int) {
	if args == null {
		t.ret(none)
		return
	}
	if rest := t.cdr(args); rest != null {
		t.push(rest, t.env, frame(f))
	}
	t.eval(t.car(args))
}

func andDone(t *Thread) {
	t.env = t.pop()
	if rest := t.pop(); t.val != falsum {
		and(t, rest)
	}
}

func orDone(t *Thread) {
	t.env = t.pop()
	if rest := t.pop(); t.val == falsum {
		or(t, rest)
	}
}

// formDefine is (define name expression) or (define (name . parameters) body ...).
func formDefine(t *Thread, args word) {
	if target := t.car(args); t.is(target, t.v.pair) {
		name := t.want(t.car(target), t.v.symbol)
		t.push(name, t.env, frame(frameDefine))
		t.ret(t.lambda(t.cdr(target), t.cdr(args), name))
		return
	}
	t.push(t.want(t.car(args), t.v.symbol), t.env, frame(frameDefine))
	t.eval(t.car(t.cdr(args)))
}

func defineDone(t *Thread) {
	t.env = t.pop()
	sym := t.pop()
	if t.env == null {
		t.setGlobal(sym, t.val)
	} else {
		t.define(sym)
	}
	t.ret(void)
}

// define gives a variable of the innermost rib the value in t.val.
func (t *Thread) define(sym word) {
	for rib := t.car(t.env); rib != null; rib = t.cdr(rib) {
		if b := t.car(rib); t.car(b) == sym {
			t.set(b, cdrAt, t.val)
			return
		}
	}
	b := t.cons(sym, t.val)
	rib := t.cons(b, t.car(t.env))
	t.set(t.env, carAt, rib)
}

func formSet(t *Thread, args word) {
	t.push(t.want(t.car(args), t.v.symbol), t.env, frame(frameSet))
	t.eval(t.car(t.cdr(args)))
}

func setDone(t *Thread) {
	t.env = t.pop()
	sym := t.pop()
	t.variable(sym) // it has a value
	if b := t.binding(sym); b != 0 {
		t.set(b, cdrAt, t.val)
	} else {
		t.setGlobal(sym, t.val)
	}
	t.ret(void)
}

// lambda makes a closure. Its parts are reachable from t.expr and t.env, or on the stack; they lie there again while it is made.
func (t *Thread) lambda(params, body, name word) word {
	t.push(params, body, t.env, name)
	c := t.alloc(t.v.closure, 0)
	for _, at := range []uint32{fnName, fnEnv, fnBody, fnParams} {
		*t.v.mem.Slot(c + at) = t.pop() // no barrier: the object is new
	}
	return c
}

// formLet is (let ((name expression) ...) body ...).
func formLet(t *Thread, args word) {
	bindings, body := t.car(args), t.cdr(args)
	if bindings == null {
		t.env = t.cons(null, t.env)
		t.body(t.cdr(t.cdr(t.expr))) // body may have moved
		return
	}
	t.push(t.cdr(bindings), bindings, body, t.env, integer(0), frame(frameLet))
	t.eval(t.car(t.cdr(t.car(bindings))))
}

// letDone has the value of a binding: it stays on the stack until all are there.
func letDone(t *Thread) {
	n, env, body, bindings, rest := intOf(t.pop()), t.pop(), t.pop(), t.pop(), t.pop()
	t.push(t.val)
	if rest != null {
		t.env = env
		t.push(t.cdr(rest), bindings, body, env, integer(n+1), frame(frameLet))
		t.eval(t.car(t.cdr(t.car(rest))))
		return
	}
	n++
	t.env = env
	t.push(body, bindings, null) // the rib
	for i := range n {
		b := *t.top(1)
		t.bind(0, t.want(t.car(t.car(b)), t.v.symbol), *t.top(3 + n - 1 - i))
		*t.top(1) = t.cdr(*t.top(1))
	}
	t.env = t.cons(*t.top(0), t.env)
	body = *t.top(2)
	t.drop(n + 3)
	t.body(body)
}

// formTry is (try expression handler): the handler is called with the message if the expression fails.
func formTry(t *Thread, args word) {
	t.push(t.car(t.cdr(args)), t.env)
	t.handlers = append(t.handlers, len(t.stack))
	t.push(frame(frameTry))
	t.eval(t.car(args))
}

func tryDone(t *Thread) {
	t.drop(2)
	t.handlers = t.handlers[:len(t.handlers)-1]
}

// handlerDone has the handler; the message is its argument.
func handlerDone(t *Thread) {
	msg := t.pop()
	t.push(frame(frameHandled), t.val, msg)
	t.apply(1)
}
