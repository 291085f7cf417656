// Package wasm holds modules: their types, the binary format's decoder, the validator, canonical types across modules, and the
// one instruction table (instructions.txt) that every other package reads.
//
// The way of a module: Decode cuts the bytes into a Module (decode*.go), which keeps slices of them; Validate checks it against
// the rules of the specification (validate*.go for the module, funcvalidator.go and rules*.go for code, constant.go for constant
// expressions), gives its types their identity in the Runtime's TypeSpace (typespace.go, match.go) and leaves it immutable.
// Instructions are not kept in a decoded form: an InstrReader (reader.go, cursor.go, leb.go) reads them from the bytes as often
// as somebody wants them, and a FuncValidator stepping along gives them types: the typed view for a compiler's lowering. The
// interpreter's keeps account of types itself.
//
// Invariants:
//   - Decode and Validate accept any bytes: the outcome is a module or one of the typed errors in errors.go. Memory is
//     proportional to the bytes, and so is time, but for a factor that the limit on parameters and results bounds (a call of two
//     bytes moves up to two thousand operands); counts in the bytes are never trusted.
//   - A Module is written by Decode and Validate only. After that any number of goroutines may read it; Names is decoded once,
//     under a sync.Once.
//   - There is no global state. What outlives a module is in its TypeSpace.
//
// Locks: TypeSpace.mu is the only one that is held while other code runs (the check of a new recursion group, which takes no
// lock); nothing else is locked under it.
//
// Comments cite the specification (WebAssembly 3.0) by chapter and title, as the numbers of its sections change between editions.
//
// Adding an instruction: a line in instructions.txt and `go generate`; if its type is not in the table, a step in rules_*.go; if
// its immediates are new, an Imm with a case in InstrReader.read.
package wasm
