// Package wast runs .wast scripts, the form of the official test suites, against the public API.
//
// A script's modules share one Process; each (thread …) of it has a Process and a goroutine of its own, into which the shared
// memories of the instances that it names can be imported. Every command gives one Result. The first words of an
// expected error must be those of the script, by prefix either way, as the reference interpreter compares them; of errors of the
// binary format only the class must be right.
//
// A command that cannot work because an earlier one failed fails with that one's error as its cause.
package wast
