// Package wat is the text format (specification: Text Format): Assemble turns a text module into the binary format, ParseScript reads
// the .wast scripts of the official suites, Print turns a decoded module back into text.
//
// The text is read in four steps. The lexer (lex.go) makes one flat slice of tokens in which each opening parenthesis knows its
// closing one; annotations are taken out of it and kept on the side. The binding pass (module.go) walks the module fields and gives
// every identifier its index, the type pass (types.go) reads the type definitions, and the emitting pass (fields.go, instr.go)
// writes the sections straight from the tokens: there is no syntax tree. Instructions come from the one table in internal/wasm.
//
// Invariants: no step recurses over the nesting of the input, so no input can overflow a stack; every error is a *SyntaxError with
// a position; a token range is read only after the lexer accepted the whole source.
package wat
