package wat

import "github.com/spindle-wasm/spindle/internal/wasm"

// frameKind says what a frame of the instruction reader waits for.
type frameKind uint8

const (
	frBase      frameKind = iota // any instructions, up to the closing parenthesis of what contains them
	frOne                        // exactly one folded instruction
	frFlat                       // instructions of a flat block, up to end
	frFlatIf                     // the same, up to else or end
	frPlain                      // folded operands of a plain instruction, up to its parenthesis
	frBlock                      // instructions of a folded block, up to its parenthesis
	frIf                         // folded conditions, up to "(then"
	frThen                       // instructions, up to the parenthesis of "(then"
	frAfterThen                  // "(else" or the parenthesis of the if
	frElse                       // instructions, up to the parenthesis of "(else"
	frAfterElse                  // the parenthesis of the if
)

// sequence tells the frames in which flat instructions may stand.
var sequence = [...]bool{frBase: true, frFlat: true, frFlatIf: true, frBlock: true, frThen: true, frElse: true, frAfterElse: false}

type frame struct {
	kind  frameKind
	hint  int8   // branch hint of a pending instruction, -1 for none
	start uint32 // of the frame's pending bytes
	label uint32 // token where an if's identifier is or could be
	word  uint32 // token of a pending instruction's keyword
}

// wants says in an error message what may stand in a frame.
func (f *frame) wants() []string {
	switch {
	case f.kind == frAfterThen:
		return []string{"(else", ")"}
	case f.kind == frAfterElse:
		return []string{")"}
	case sequence[f.kind]:
		return []string{"an instruction"}
	}
	return []string{"an instruction in parentheses"}
}

// constExpr reads instructions up to a closing parenthesis and appends them to b with a final end. It serves function bodies too.
func (a *assembler) constExpr(b []byte) []byte { return a.expr(b, frBase) }

// foldedExpr reads one folded instruction as an expression.
func (a *assembler) foldedExpr(b []byte) []byte { return a.expr(b, frOne) }

// expr is an explicit stack machine, so that no nesting of the text is too deep for it.
func (a *assembler) expr(b []byte, base frameKind) []byte {
	c := &a.code
	c.out, c.pending = c.out[:0], c.pending[:0]
	c.frames = append(c.frames[:0], frame{kind: base})
	for len(c.frames) > 0 {
		top := &c.frames[len(c.frames)-1]
		switch a.toks[a.i].kind {
		case tokRParen:
			if top.kind == frBase {
				a.markInstr(a.i)
				c.frames = c.frames[:0]
				break
			}
			a.closeFolded(top)
			a.i++
		case tokLParen:
			a.openFolded(top)
		case tokKeyword:
			if !sequence[top.kind] {
				a.unexpected(top.wants()...)
			}
			a.flat(top)
		default:
			a.unexpected(top.wants()...)
		}
	}
	return append(append(b, c.out...), byte(wasm.OpEnd))
}

func (a *assembler) push(f frame) { a.code.frames = append(a.code.frames, f) }

// pop closes the innermost frame. A base of one folded instruction is done with it.
func (a *assembler) pop() {
	c := &a.code
	c.frames = c.frames[:len(c.frames)-1]
	if n := len(c.frames); n > 0 && c.frames[n-1].kind == frOne {
		c.frames = c.frames[:n-1]
	}
}

// opcode reads an instruction's keyword.
func (a *assembler) opcode() wasm.Opcode {
	if a.kind() == tokKeyword {
		if op, ok := opcodes()[string(a.word(a.i))]; ok {
			a.i++
			return op
		}
		if w := string(a.word(a.i)); w == "try" || w == "rethrow" || w == "delegate" {
			a.fail(a.i, "unknown operator %s: legacy exception handling, which try_table has replaced", w)
		}
	}
	a.unexpected("an instruction")
	return 0
}

// flat reads one instruction that isn't folded.
func (a *assembler) flat(top *frame) {
	c := &a.code
	word := a.i
	op := a.opcode()
	a.markInstr(word)
	switch op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpTryTable:
		label := a.labelID()
		a.blockHead(op)
		a.pushLabel(label)
		a.push(frame{kind: frFlat})
	case wasm.OpIf:
		label := a.labelID()
		a.markHint(a.hintAnnot(word))
		a.blockHead(op)
		a.pushLabel(label)
		a.push(frame{kind: frFlatIf})
	case wasm.OpElse:
		if top.kind != frFlatIf {
			a.unexpectedAt(word)
		}
		a.checkLabel()
		c.out = append(c.out, byte(wasm.OpElse))
		top.kind = frFlat
	case wasm.OpEnd:
		if top.kind != frFlat && top.kind != frFlatIf {
			a.unexpectedAt(word)
		}
		a.checkLabel()
		c.out = append(c.out, byte(wasm.OpEnd))
		a.popLabel()
		a.pop()
	default:
		if op == wasm.OpBrIf {
			a.markHint(a.hintAnnot(word))
		}
		c.out = a.plain(c.out, op)
	}
}

// labelID passes over a block's optional identifier and returns the token where it is or could be.
func (a *assembler) labelID() (at uint32) {
	at = a.i
	if a.kind() == tokID {
		a.i++
	}
	return at
}

// checkLabel reads the optional identifier after else or end, which must be the block's (specification: Text Format, Control Instructions).
func (a *assembler) checkLabel() {
	if a.kind() != tokID {
		return
	}
	l := a.code.labels[len(a.code.labels)-1]
	if l.tok == 0 || l.name != a.idName(a.i) {
		a.fail(a.i, "mismatching label %s", excerpt(a.word(a.i)))
	}
	a.i++
}

// openFolded reads "(" and what follows up to the first operand or inner instruction.
func (a *assembler) openFolded(top *frame) {
	c := &a.code
	switch {
	case top.kind == frIf && a.takeList("then"):
		c.out = a.takePending(top)
		a.pushLabel(top.label)
		a.push(frame{kind: frThen})
		return
	case top.kind == frAfterThen && a.takeList("else"):
		a.markInstr(a.i - 1)
		c.out = append(c.out, byte(wasm.OpElse))
		a.push(frame{kind: frElse})
		return
	case top.kind == frAfterThen || top.kind == frAfterElse:
		a.unexpected(top.wants()...)
	}
	paren, word := a.i, a.i+1
	a.i++
	op := a.opcode()
	f := frame{kind: frPlain, hint: -1, start: uint32(len(c.pending)), word: word}
	if op == wasm.OpIf || op == wasm.OpBrIf {
		f.hint = a.hintAnnot(paren)
	}
	switch op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpTryTable:
		label := a.labelID()
		a.markInstr(word)
		a.blockHead(op)
		a.pushLabel(label)
		f.kind = frBlock
	case wasm.OpIf:
		f.label = a.labelID()
		f.kind = frIf
		n := len(c.out)
		a.blockHead(op)
		c.pending = append(c.pending, c.out[n:]...)
		c.out = c.out[:n]
	case wasm.OpElse, wasm.OpEnd:
		a.unexpectedAt(word)
	default:
		c.pending = a.plain(c.pending, op)
	}
	a.push(f)
}

// takePending writes a frame's pending instruction to the code.
func (a *assembler) takePending(f *frame) []byte {
	c := &a.code
	if f.hint >= 0 {
		c.hints = append(c.hints, wasm.BranchHint{Offset: uint32(len(c.out)), Likely: f.hint == 1})
	}
	a.markInstr(f.word)
	out := append(c.out, c.pending[f.start:]...)
	c.pending = c.pending[:f.start]
	return out
}

// closeFolded acts on ")".
func (a *assembler) closeFolded(top *frame) {
	c := &a.code
	switch top.kind {
	case frPlain:
		c.out = a.takePending(top)
		a.pop()
	case frBlock, frAfterThen, frAfterElse:
		a.markInstr(a.i)
		c.out = append(c.out, byte(wasm.OpEnd))
		a.popLabel()
		a.pop()
	case frThen:
		a.pop()
		c.frames[len(c.frames)-1].kind = frAfterThen
	case frElse:
		a.pop()
		c.frames[len(c.frames)-1].kind = frAfterElse
	case frIf:
		a.unexpected("(then")
	case frFlat, frFlatIf:
		a.unexpected("end")
	default:
		a.unexpected("an instruction")
	}
}

// blockHead writes a block's opcode, type and, of a try_table, its clauses.
func (a *assembler) blockHead(op wasm.Opcode) {
	c := &a.code
	out := wasm.AppendOpcode(c.out, op)
	at, explicit, x := a.explicitType()
	params, results := a.signature(paramsUnnamed)
	switch {
	case !explicit && len(params) == 0 && len(results) == 0:
		out = append(out, 0x40)
	case !explicit && len(params) == 0 && len(results) == 1:
		out = wasm.AppendValType(out, results[0])
	default:
		use := a.resolveUse(at, explicit, x, params, results)
		out = wasm.AppendSigned(out, int64(use.index))
	}
	if op == wasm.OpTryTable {
		out = a.catches(out)
	}
	c.out = out
}

var catchKinds = map[string]wasm.CatchKind{
	"catch": wasm.CatchTag, "catch_ref": wasm.CatchTagRef, "catch_all": wasm.CatchAll, "catch_all_ref": wasm.CatchAllRef,
}

// catches reads the clauses of a try_table, whose labels are those around it (specification: Text Format, Control Instructions).
func (a *assembler) catches(out []byte) []byte {
	n := uint64(0)
	var b []byte
	for a.kind() == tokLParen && a.toks[a.i+1].kind == tokKeyword {
		k, ok := catchKinds[string(a.word(a.i+1))]
		if !ok {
			break
		}
		a.i += 2
		b = append(b, byte(k))
		if k == wasm.CatchTag || k == wasm.CatchTagRef {
			b = appendU(b, uint64(a.index(&a.tags)))
		}
		b = appendU(b, uint64(a.labelIndex()))
		a.rparen()
		n++
	}
	return append(appendU(out, n), b...)
}
