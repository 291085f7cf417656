package wat

import "github.com/spindle-wasm/spindle/internal/wasm"

// codeState is what the instruction reader keeps between instructions and, to save allocations, between functions.
type codeState struct {
	out     []byte // code of the current expression
	pending []byte // opcodes and immediates of folded instructions whose operands are still being read
	frames  []frame
	sig     []byte // scratch

	labels   []label
	labelAt  map[string]int32 // index in labels of the innermost label of that name
	numLabel uint32           // blocks of the function so far: index for the name section

	locals   space
	runs     []localRun
	inFunc   bool
	curNames []entryName // labels of the current function

	hints      []wasm.BranchHint // of the current function
	localNames []nestedNames
	labelNames []nestedNames
	body       []byte
	marks      []mark // of the current function's instructions, if there is a source map
}

type localRun struct {
	n uint32
	t wasm.ValType
}

// label is a block that is open.
type label struct {
	name string
	tok  uint32 // of its identifier, 0 for none
	prev int32  // label of the same name around it, -1 for none
}

// nestedNames are the names of an inner index space: the locals of a function, the fields of a type.
type nestedNames struct {
	index uint32
	names []entryName
}

func (a *assembler) resetLocals() {
	l := &a.code.locals
	if l.ids == nil {
		*l = space{what: "local", ids: map[string]uint32{}}
	}
	clear(l.ids)
	l.n, l.names = 0, nil
}

func (a *assembler) bindLocal() { a.bind(&a.code.locals) }

// funcField reads a function (specification: Text Format, Functions).
func (a *assembler) funcField(f field) {
	c := &a.code
	if a.inlineHead(f, wasm.ExternFunc) {
		return
	}
	a.resetLocals()
	use := a.useType(paramsLocal)
	c.locals.n = uint32(use.params)
	c.runs = c.runs[:0]
	for a.takeList("local") {
		if a.kind() == tokID || a.annotHere(annotName) {
			a.bindLocal()
			a.addRun(a.valType())
		} else {
			for a.kind() != tokRParen {
				a.addRun(a.valType())
				c.locals.n++
			}
		}
		a.rparen()
	}
	fn := a.sec(wasm.SectionFunction)
	fn.buf = appendU(fn.buf, uint64(use.index))

	b := appendU(c.body[:0], uint64(len(c.runs)))
	for _, r := range c.runs {
		b = wasm.AppendValType(appendU(b, uint64(r.n)), r.t)
	}
	c.hints, c.inFunc, c.numLabel, c.curNames, c.marks = nil, true, 0, nil, c.marks[:0]
	header := len(b)
	b = a.constExpr(b)
	c.inFunc = false
	c.body = b
	code := a.sec(wasm.SectionCode)
	code.buf = appendU(code.buf, uint64(len(b)))
	for _, m := range c.marks {
		code.marks = append(code.marks, mark{uint32(len(code.buf)+header) + m.out, m.text})
	}
	code.buf = append(code.buf, b...)
	if c.hints != nil {
		for i := range c.hints {
			c.hints[i].Offset += uint32(header)
		}
		a.out.hints = append(a.out.hints, funcHints{f.index, c.hints})
	}
	a.noteLocals(f.index)
	if c.curNames != nil {
		c.labelNames = append(c.labelNames, nestedNames{f.index, c.curNames})
	}
}

// noteLocals keeps the names of a function's locals for the name section.
func (a *assembler) noteLocals(fn uint32) {
	if n := a.code.locals.names; n != nil {
		a.code.localNames = append(a.code.localNames, nestedNames{fn, n})
	}
}

func (a *assembler) addRun(t wasm.ValType) {
	c := &a.code
	if n := len(c.runs); n > 0 && c.runs[n-1].t == t {
		c.runs[n-1].n++
		return
	}
	c.runs = append(c.runs, localRun{1, t})
}

// pushLabel opens a block whose optional identifier and name annotation are at token at.
func (a *assembler) pushLabel(at uint32) {
	c := &a.code
	l := label{prev: -1}
	if a.toks[at].kind == tokID {
		l.tok, l.name = at, a.idName(at)
		at++
		if c.labelAt == nil {
			c.labelAt = map[string]int32{}
		}
		if at, ok := c.labelAt[l.name]; ok {
			l.prev = at
		}
		c.labelAt[l.name] = int32(len(c.labels))
	}
	name, noted := a.nameAnnotAt(at, "label")
	if !noted {
		name = l.name
	}
	if c.inFunc && (noted || l.tok != 0) {
		c.curNames = append(c.curNames, entryName{c.numLabel, name})
	}
	c.numLabel++
	c.labels = append(c.labels, l)
}

func (a *assembler) popLabel() {
	c := &a.code
	last := len(c.labels) - 1
	if l := c.labels[last]; l.tok != 0 {
		if l.prev >= 0 {
			c.labelAt[l.name] = l.prev
		} else {
			delete(c.labelAt, l.name)
		}
	}
	c.labels = c.labels[:last]
}

// labelIndex reads a label, relative to the innermost block.
func (a *assembler) labelIndex() uint32 {
	if a.kind() != tokID {
		return uint32(a.nat(32))
	}
	at, ok := a.code.labelAt[string(a.idBytes(a.i))]
	if !ok {
		a.fail(a.i, "unknown label %s", excerpt(a.word(a.i)))
	}
	a.i++
	return uint32(len(a.code.labels)-1) - uint32(at)
}
