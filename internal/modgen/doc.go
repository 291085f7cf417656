// Package modgen makes random modules for tests: every module that Generate returns is valid, uses only the features it was
// allowed, and ends.
//
// # How a module comes about
//
// Generate reads a stream of choices, one byte or more for each decision. The same choices give the same module, so Go's
// fuzzer can mutate them, a failing seed is a failing byte string, and a shorter or smaller string is a simpler module (an
// exhausted stream answers every question with the first, simplest alternative). Seed turns a number into such a string.
//
// Types, functions, tables, memories, tags, globals and segments are decided first; then the bodies are written, each by a
// generator that models the operand stack as the validator does, takes what lies there as operands where the types fit, and
// makes the rest. Each module has its own taste (a random weight for each kind of instruction: swarm testing), and its own
// carefulness: most addresses, divisors, indices and conversions are tamed so that code does not trap at its first access.
//
// # Invariants
//
//   - Termination: every loop iteration and every call of a defined function takes a unit from a global, and traps
//     (unreachable) when none is left. The export Refuel fills it up; a module's exports are comparable only with the same fuel.
//   - Bounded memory: memories and tables have small maxima, or grow by small amounts only.
//   - With Config.CanonicalNaN every NaN that the specification leaves to the engine is replaced by the canonical one, so that
//     results are comparable across engines.
//   - Waits (memory.atomic.wait) have timeouts below a microsecond.
//
// Support makes the module that another module's imports are satisfied with. Reduce shrinks a module for as long as a
// property of it holds.
package modgen
