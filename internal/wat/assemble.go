package wat

import "github.com/spindle-wasm/spindle/internal/wasm"

// Options change what Assemble makes. The zero value is the default.
type Options struct {
	// NoNames leaves identifiers and @name annotations out of the name section.
	NoNames bool
	// Off are features that are switched off. Only those matter that change the grammar: without memory64, limits and offsets
	// are 32-bit numbers.
	Off wasm.Features
	// Map, if given, is filled so that later errors about the module can be shown in the text.
	Map *SourceMap
}

// Assemble turns one text module, with or without "(module ...)" around its fields, into the binary format. It does not validate:
// the result may break rules of validation, as the text may. An error is a *SyntaxError.
func Assemble(src []byte, opts Options) (bin []byte, err error) {
	defer recoverSyntax(&err)
	s := lex(src)
	return assemble(s, 0, uint32(len(s.toks)-1), opts), nil
}

// assemble reads the module in tokens from:to of s, where to is an end of input.
func assemble(s *source, from, to uint32, opts Options) []byte {
	p := &parser{source: s, i: from}
	if p.peekList("module") {
		p.i += 2
		end := p.toks[from].end
		if end+1 != to {
			p.i = end + 1
			p.unexpected()
		}
		return assembleFields(s, p.i, end, from, opts)
	}
	return assembleFields(s, from, to, from, opts)
}

// assembleFields reads the tokens from:to, what stands within the parentheses of a module, the keyword left out. Annotations are
// looked for from token annotsFrom on.
func assembleFields(s *source, from, to, annotsFrom uint32, opts Options) []byte {
	a := newAssembler(s, opts, annotsFrom, to)
	a.i = from
	if a.kind() == tokID {
		a.i++
		a.moduleName = a.idName(a.i - 1)
	}
	if name, ok := a.nameAnnot("module"); ok {
		a.moduleName = name
	}
	a.bindFields(to)
	a.defineTypes()
	a.emitFields()
	if a.forwardType {
		// A type use named an implicit type that a later field defined. Now that all are known, do it again.
		a.resetOutput()
		a.emitFields()
	}
	a.finishAnnots()
	if opts.Map != nil {
		*opts.Map = SourceMap{text: s.text}
	}
	return a.encode()
}
