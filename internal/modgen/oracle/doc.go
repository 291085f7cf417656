// Package oracle runs modules and tells what they did in terms that do not depend on the engine, so that two runs can be
// compared: a second run with the first, a run that is paused at random, one on another stack, one on another engine.
//
// A Trace is a list of lines: the outcome of instantiation and of each call, calls of host functions, and the final state.
// Calls are made of every exported function in the order of the exports, with arguments that Args makes, after a call of
// modgen.Refuel. NaNs of results are compared by their bits: use modgen.Config.CanonicalNaN across engines.
//
// # From a finding to a case
//
// The tests here, TestDifferential in bench and the fuzz targets write the module that failed to the temporary directory.
//
//	go test ./internal/modgen/oracle -run TestReduce -reduce file        # runs that differ, panics: writes file.reduced
//	go test . -run TestDifferential/v2 -difffirst 71 -diffseeds 1 -diffreduce   # in bench: a seed that engines differ on
//	spindle wasm2wat file.reduced                                        # the case, for testdata, with a line on what it was
//	go test ./internal/modgen/oracle -fuzz FuzzModules -fuzzminimizetime 20x    # the fuzzer; minimising by time takes for ever
package oracle
