package interp

// loopFunc keeps the loop linked into the test binary for the disassembly.
var loopFunc any = run
