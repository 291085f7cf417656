package wat

import (
	"unicode/utf8"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Script is a .wast script: a list of commands. It is immutable.
type Script struct {
	Commands []Command
}

// CommandKind says which fields of a Command are set.
type CommandKind uint8

const (
	CmdModule                CommandKind = iota // Module; a definition is not instantiated
	CmdInstance                                 // Name: the instance's identifier; Of: the definition's, "" for the last one
	CmdRegister                                 // As; Name: the instance's identifier, "" for the current one
	CmdAction                                   // Action
	CmdAssertReturn                             // Action, Results
	CmdAssertTrap                               // Action or Module, Message
	CmdAssertExhaustion                         // Action, Message
	CmdAssertException                          // Action
	CmdAssertMalformed                          // Module, Message
	CmdAssertInvalid                            // Module, Message
	CmdAssertUnlinkable                         // Module, Message
	CmdAssertMalformedCustom                    // Module, Message
	CmdAssertInvalidCustom                      // Module, Message
	CmdThread                                   // Name, Shared, Body
	CmdWait                                     // Name
)

var commandNames = [...]string{
	"module", "module instance", "register", "action", "assert_return", "assert_trap", "assert_exhaustion", "assert_exception",
	"assert_malformed", "assert_invalid", "assert_unlinkable", "assert_malformed_custom", "assert_invalid_custom", "thread", "wait",
}

func (k CommandKind) String() string { return commandNames[k] }

// Command is one command of a script. Identifiers are without "$"; "" means none.
type Command struct {
	Kind    CommandKind
	Pos     Pos
	Name    string
	Of      string
	As      string
	Module  *Module
	Action  *Action
	Results []Result
	Message string   // the error's expected text
	Shared  []string // identifiers of the modules that a thread sees
	Body    []Command
}

// ActionKind tells the two actions apart.
type ActionKind uint8

const (
	Invoke ActionKind = iota
	Get
)

// Action calls an exported function or reads an exported global.
type Action struct {
	Kind   ActionKind
	Pos    Pos
	Module string // identifier of the instance, "" for the current one
	Field  string
	Args   []Value
}

// ModuleKind is the form in which a script gives a module.
type ModuleKind uint8

const (
	ModuleText ModuleKind = iota
	ModuleBinary
	ModuleQuote
)

// Module is a module of a script. Text is assembled when it is asked for, so that a script may hold modules that are malformed.
type Module struct {
	Kind       ModuleKind
	Pos        Pos
	Name       string // identifier
	Definition bool   // (module definition ...)

	src      *source // text
	from, to uint32  // its tokens
	data     []byte  // binary and quote
}

// Assemble returns the module in the binary format. Errors of text modules are *SyntaxError; those of quoted modules count lines
// within the quoted text. The binary form is returned as it stands, be it well-formed or not.
func (m *Module) Assemble(opts Options) (bin []byte, err error) {
	switch m.Kind {
	case ModuleBinary:
		return m.data, nil
	case ModuleQuote:
		return Assemble(m.data, opts)
	}
	defer recoverSyntax(&err)
	return assembleFields(m.src, m.from, m.to, m.from, opts), nil
}

// maxThreadDepth bounds the nesting of (thread ...) commands, the only recursion of this package.
const maxThreadDepth = 100

// ParseScript reads a .wast script. Errors are *SyntaxError; text modules in it are not assembled yet.
func ParseScript(src []byte) (script *Script, err error) {
	defer recoverSyntax(&err)
	s := lex(src)
	p := &scriptParser{parser: parser{source: s}, lines: lineCounter{text: src}}
	if p.kind() == tokLParen {
		if _, ok := fieldKinds[string(p.word(p.i+1))]; ok && p.toks[p.i+1].kind == tokKeyword {
			// A script may be the fields of one module.
			m := &Module{Pos: p.pos(0), src: s, from: 0, to: uint32(len(s.toks) - 1)}
			return &Script{Commands: []Command{{Kind: CmdModule, Pos: m.Pos, Module: m}}}, nil
		}
	}
	cmds := p.commands(0)
	if p.kind() != tokEOF {
		p.unexpected()
	}
	return &Script{Commands: cmds}, nil
}

type scriptParser struct {
	parser
	lines lineCounter
}

// lineCounter finds the positions of tokens in ascending order without counting lines from the start each time.
type lineCounter struct {
	text []byte
	off  int
	at   Pos // of off
}

func (l *lineCounter) pos(off int) Pos {
	if off < l.off || l.off == 0 {
		l.off, l.at = 0, Pos{1, 1}
	}
	part := l.text[l.off:off]
	if n := lineEnds(part); n > 0 { // no token begins between CR and LF
		l.at = Pos{l.at.Line + n, column(part)}
	} else {
		l.at.Col += utf8.RuneCount(part)
	}
	l.off = off
	return l.at
}

func (p *scriptParser) pos(tok uint32) Pos { return p.lines.pos(int(p.toks[tok].off)) }

var commandKinds = map[string]CommandKind{
	"module": CmdModule, "register": CmdRegister, "invoke": CmdAction, "get": CmdAction, "assert_return": CmdAssertReturn,
	"assert_trap": CmdAssertTrap, "assert_exhaustion": CmdAssertExhaustion, "assert_exception": CmdAssertException,
	"assert_malformed": CmdAssertMalformed, "assert_invalid": CmdAssertInvalid, "assert_unlinkable": CmdAssertUnlinkable,
	"assert_malformed_custom": CmdAssertMalformedCustom, "assert_invalid_custom": CmdAssertInvalidCustom,
	"thread": CmdThread, "wait": CmdWait,
}

// commands reads commands up to a closing parenthesis or the end.
func (p *scriptParser) commands(depth int) (cmds []Command) {
	for p.kind() == tokLParen {
		cmds = append(cmds, p.command(depth))
	}
	return cmds
}

func (p *scriptParser) command(depth int) Command {
	open := p.i
	end := p.toks[open].end
	p.i++
	kind, ok := CmdModule, false
	if p.kind() == tokKeyword {
		kind, ok = commandKinds[string(p.word(p.i))]
	}
	if !ok {
		p.unexpected("a command")
	}
	c := Command{Kind: kind, Pos: p.pos(open)}
	p.i = open
	switch kind {
	case CmdModule:
		p.moduleCommand(&c)
		return c
	case CmdAction:
		c.Action = p.action()
		return c
	}
	p.i += 2
	switch kind {
	case CmdRegister:
		c.As, c.Name = p.name(), p.id()
	case CmdAssertReturn:
		c.Action = p.action()
		for p.kind() == tokLParen {
			c.Results = append(c.Results, p.result())
		}
	case CmdAssertException:
		c.Action = p.action()
	case CmdAssertExhaustion:
		c.Action = p.action()
		c.Message = p.name()
	case CmdAssertTrap:
		if p.peekList("module") {
			c.Module = p.module()
		} else {
			c.Action = p.action()
		}
		c.Message = p.name()
	case CmdThread:
		if depth == maxThreadDepth {
			p.fail(open, "thread nesting limit: at most %d are supported", maxThreadDepth)
		}
		p.threadCommand(&c, depth)
	case CmdWait:
		if c.Name = p.id(); c.Name == "" {
			p.unexpected("an identifier")
		}
	default: // an assertion about a module
		c.Module = p.module()
		c.Message = p.name()
	}
	p.rparen()
	if p.i != end+1 {
		p.fail(end, "unexpected token )")
	}
	return c
}

// threadCommand reads a thread from its identifier on.
func (p *scriptParser) threadCommand(c *Command, depth int) {
	c.Name = p.id()
	for p.takeList("shared") {
		p.lparen()
		p.expectWord("module")
		id := p.id()
		if id == "" {
			p.unexpected("an identifier")
		}
		c.Shared = append(c.Shared, id)
		p.rparen()
		p.rparen()
	}
	c.Body = p.commands(depth + 1)
}

func (p *scriptParser) moduleCommand(c *Command) {
	next := p.i + 2
	if p.toks[next].kind == tokKeyword && string(p.word(next)) == "instance" {
		c.Kind = CmdInstance
		p.i = next + 1
		c.Name, c.Of = p.id(), p.id()
		p.rparen()
		return
	}
	c.Module = p.module()
}

// module reads a module at the cursor in any of its forms.
func (p *scriptParser) module() *Module {
	open := p.i
	end := p.toks[open].end
	m := &Module{Pos: p.pos(open), src: p.source}
	p.lparen()
	p.expectWord("module")
	m.Definition = p.takeWord("definition")
	m.from, m.to = p.i, end
	m.Name = p.id()
	switch {
	case p.takeWord("binary"):
		m.Kind = ModuleBinary
	case p.takeWord("quote"):
		m.Kind = ModuleQuote
	default:
		p.i = end + 1
		return m
	}
	for p.kind() == tokString {
		m.data = p.bytes(m.data)
	}
	p.rparen()
	return m
}

func (p *scriptParser) action() *Action {
	a := &Action{Pos: p.pos(p.i)}
	p.lparen()
	switch {
	case p.takeWord("invoke"):
	case p.takeWord("get"):
		a.Kind = Get
	default:
		p.unexpected("invoke", "get")
	}
	a.Module, a.Field = p.id(), p.name()
	for a.Kind == Invoke && p.kind() == tokLParen {
		a.Args = append(a.Args, p.argument())
	}
	p.rparen()
	return a
}

// refKinds are the forms of references in results, besides ref.null, ref.extern and ref.host.
var refKinds = map[string]wasm.HeapType{
	"ref.func": wasm.HeapFunc, "ref.i31": wasm.HeapI31, "ref.struct": wasm.HeapStruct, "ref.array": wasm.HeapArray,
	"ref.eq": wasm.HeapEq, "ref.any": wasm.HeapAny, "ref.exn": wasm.HeapExn,
}
