package wat

import (
	"bytes"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

const branchHintSection = "metadata.code.branch_hint"

// bodyPrinter is the printer's state within one function or constant expression.
type bodyPrinter struct {
	reader   wasm.InstrReader
	in       wasm.Instr
	locals   idents
	labels   []openBlock
	ordinal  uint32            // of the next block, in the function
	names    map[uint32]string // of blocks
	indented bool
}

// openBlock is a block that is being printed.
type openBlock struct {
	name   string // without "$"
	isIf   bool   // and no else has been there
	number uint32
}

// hintsPrintable reports whether the branch hint section, if there is one, says nothing but hints of branches, so that
// annotations can replace it.
func (p *printer) hintsPrintable() bool {
	m := p.m
	if len(m.BranchHints) == 0 {
		return false
	}
	var section *wasm.CustomSection
	for i := range m.Customs {
		if m.Customs[i].Name == branchHintSection {
			if section != nil {
				return false
			}
			section = &m.Customs[i]
		}
	}
	a := assembler{}
	for fn := range uint32(len(m.Funcs)) {
		if h := m.BranchHints[fn]; len(h) > 0 {
			if !p.hintsHit(fn, h) {
				return false
			}
			a.out.hints = append(a.out.hints, funcHints{fn, h})
		}
	}
	return section != nil && bytes.Equal(a.hintSection(), section.Data)
}

// hintsHit reports whether all hints of a function stand at a br_if or if.
func (p *printer) hintsHit(fn uint32, hints []wasm.BranchHint) bool {
	b := int(fn) - p.m.NumImportedFuncs
	if b < 0 || b >= len(p.m.Bodies) {
		return false
	}
	body := &p.m.Bodies[b]
	r := &p.body.reader
	in := &p.body.in
	r.Reset(body.Code, body.Offset)
	for len(hints) > 0 && r.More() {
		if r.Next(in) != nil {
			return false
		}
		if in.Offset-body.Start == hints[0].Offset {
			if in.Op != wasm.OpIf && in.Op != wasm.OpBrIf {
				return false
			}
			hints = hints[1:]
		}
	}
	return len(hints) == 0
}

// localIdents makes the identifiers of a function's locals; more is the number of locals besides its parameters.
func (p *printer) localIdents(fn uint32, more int) idents {
	names := p.names.Locals[fn]
	if names == nil {
		return idents{}
	}
	n := more
	if x := p.m.Funcs[fn]; uint64(x) < uint64(len(p.m.Types)) {
		n += len(p.m.Types[x].Func.Params)
	}
	return newIdents(names, n)
}

// function writes a defined function.
func (p *printer) function(fn uint32, body *wasm.Body) {
	m, b := p.m, &p.body
	p.field("func", &p.funcs, fn)
	declared := 0
	for _, r := range body.Locals {
		declared += int(r.Count)
	}
	b.locals = p.localIdents(fn, declared)
	p.typeUse(m.Funcs[fn], &b.locals)
	if declared > 0 {
		p.str("\n   ")
		l := typeList{p: p, word: "local", names: &b.locals}
		if x := m.Funcs[fn]; uint64(x) < uint64(len(m.Types)) {
			l.next = uint32(len(m.Types[x].Func.Params))
		}
		for _, r := range body.Locals {
			for range r.Count {
				l.add(r.Type)
			}
		}
		l.close()
	}
	var hints []wasm.BranchHint
	if p.hints {
		hints = m.BranchHints[fn]
	}
	b.names, b.indented = p.names.Labels[fn], true
	p.code(body.Code, body.Offset, func(offset uint32) {
		if len(hints) > 0 && hints[0].Offset == offset-body.Start {
			p.str("(@metadata.code.branch_hint \"\\0")
			p.str(map[bool]string{false: "0", true: "1"}[hints[0].Likely])
			p.str("\") ")
			hints = hints[1:]
		}
	})
	if p.err != nil {
		p.err = wasm.InFunc(p.err, fn)
	}
	p.str(")")
}

// expr writes a constant expression: in parentheses if it is one instruction; otherwise flat, within "(wrap ...)" if given.
func (p *printer) expr(wrap string, e wasm.ConstExpr) {
	b := &p.body
	b.indented, b.names, b.locals = false, nil, idents{}
	b.reader.Reset(e.Code, e.Offset)
	n := 0
	for b.reader.More() && n < 3 {
		if err := b.reader.Next(&b.in); err != nil {
			p.fail(err)
			return
		}
		n++
	}
	open := true
	switch {
	case n == 2: // the instruction and its end
		p.str(" (")
	case wrap != "":
		p.str(" (")
		p.str(wrap)
		if n > 1 {
			p.str(" ")
		}
	default:
		open = false
		if n > 1 {
			p.str(" ")
		}
	}
	p.code(e.Code, e.Offset, nil)
	if open {
		p.str(")")
	}
}

// maxIndent bounds the indentation, which would make the text of deeply nested blocks quadratic.
const maxIndent = 16

const blanks = "                                    "

// newline starts an instruction: on a line of its own in functions.
func (p *printer) newline(depth int, first bool) {
	switch {
	case p.body.indented:
		p.str("\n")
		p.str(blanks[:4+2*min(depth, maxIndent)])
	case !first:
		p.str(" ")
	}
}

// code writes instructions up to their final end, which the text leaves out. before is called ahead of each.
func (p *printer) code(code []byte, offset uint32, before func(offset uint32)) {
	b := &p.body
	b.labels, b.ordinal = b.labels[:0], 0
	b.reader.Reset(code, offset)
	for first := true; ; first = false {
		if err := b.reader.Next(&b.in); err != nil {
			p.fail(err)
			return
		}
		in := &b.in
		depth := len(b.labels)
		if in.Op == wasm.OpEnd || in.Op == wasm.OpElse {
			if depth == 0 {
				if in.Op == wasm.OpElse || b.reader.More() {
					p.misplaced(in)
				}
				return
			}
			depth--
		}
		p.newline(depth, first)
		if before != nil {
			before(in.Offset)
		}
		p.instr(in)
		if p.err != nil {
			return
		}
	}
}

func (p *printer) misplaced(in *wasm.Instr) {
	p.fail(&wasm.MalformedError{Func: -1, Offset: in.Offset, Msg: "misplaced " + in.Op.String()})
}

// instr writes one instruction.
func (p *printer) instr(in *wasm.Instr) {
	b := &p.body
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpTryTable:
		p.block(in)
		return
	case wasm.OpElse:
		top := &b.labels[len(b.labels)-1]
		if !top.isIf {
			p.misplaced(in)
		}
		top.isIf = false
	case wasm.OpEnd:
		b.labels = b.labels[:len(b.labels)-1]
	}
	info := in.Op.Info()
	p.str(info.Name)
	if f := immPrinters[info.Imm]; f != nil {
		f(p, in)
	}
}

// block writes the head of a block and opens it.
func (p *printer) block(in *wasm.Instr) {
	b := &p.body
	p.str(in.Op.String())
	name, named := b.names[b.ordinal]
	l := openBlock{isIf: in.Op == wasm.OpIf, number: b.ordinal, name: name}
	b.ordinal++
	switch {
	case name != "":
		p.str(" ")
		p.str(identifier(name))
	case named: // no identifier is empty
		p.str(` (@name "")`)
	}
	switch {
	case in.Block.Index >= 0:
		p.typeUse(uint32(in.Block.Index), nil)
	case in.Block.Type != wasm.Bottom:
		p.results([]wasm.ValType{in.Block.Type})
	}
	if in.Op == wasm.OpTryTable {
		for _, c := range in.Catch {
			p.str(" (")
			p.str(catchWords[c.Kind])
			if c.Kind == wasm.CatchTag || c.Kind == wasm.CatchTagRef {
				p.ref(&p.tags, c.Tag)
			}
			p.label(c.Label)
			p.str(")")
		}
	}
	b.labels = append(b.labels, l)
	if b.indented {
		p.str("  (;@")
		p.num(uint64(l.number))
		p.str(";)")
	}
}

var catchWords = [...]string{
	wasm.CatchTag: "catch", wasm.CatchTagRef: "catch_ref", wasm.CatchAll: "catch_all", wasm.CatchAllRef: "catch_all_ref",
}

// label writes a branch's target: by name if no block in between has the same, else by depth with the block's number.
func (p *printer) label(depth uint32) {
	labels := p.body.labels
	p.str(" ")
	if uint64(depth) >= uint64(len(labels)) {
		p.num(uint64(depth)) // the function itself, or nothing
		return
	}
	target := len(labels) - 1 - int(depth)
	name := labels[target].name
	// Far targets go by depth, so that the search below stays cheap.
	if name != "" && depth < 64 {
		for _, l := range labels[target+1:] {
			if l.name == name {
				name = ""
				break
			}
		}
		if name != "" {
			p.str(identifier(name))
			return
		}
	}
	p.num(uint64(depth))
	p.str(" (;@")
	p.num(uint64(labels[target].number))
	p.str(";)")
}
