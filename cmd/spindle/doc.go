// Command spindle runs, checks, converts and inspects WebAssembly modules.
//
// It is a module of its own, so that what it needs (a command-line framework, terminals) weighs on no embedder of the library. Nothing
// of it runs before main: flags and subcommands are made when the command line is read, and everything else when it is needed.
//
// Each subcommand is in the file of its name (wat2wasm and wasm2wat in convert.go) and returns an error; errors.go turns it into the words and the exit code that the user
// sees.
package main
