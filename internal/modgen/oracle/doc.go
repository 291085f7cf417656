// Package oracle runs modules and tells what they did in terms that do not depend on the engine, so that two runs can be
// compared: a second run with the first, a run that is paused at random, one on another stack, one on another engine.
//
// A Trace is a list of lines: the outcome of instantiation and of each call, calls of host functions, and the final state.
// Calls are made of every exported function in the order of the exports, with arguments that Args makes, after a call of
// modgen.Refuel. NaNs of results are compared by their bits: use modgen.Config.CanonicalNaN across engines.
package oracle
