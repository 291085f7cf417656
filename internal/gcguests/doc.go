// Package gcguests holds guests that live on the garbage-collected heap, for tests and measurements.
//
//   - loads: programs of our own in the text format. Each has functions from i32s to an i64, a checksum, and beside it the same
//     algorithm in Go (Call.Want), so that whoever runs them has an oracle without another engine.
//   - moonbit: programs in MoonBit, with the modules that its compiler makes of them and what they print; README.md there has
//     the commands that rebuild them.
//   - binaryen: random modules made by binaryen's fuzzer, with what its interpreter says they do; README.md there has the commands.
//
// The tests here run them on this tree, and on V8 where that is to be had, to see that the oracles are right; bench measures
// some of them.
package gcguests
