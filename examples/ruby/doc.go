// Ruby runs Ruby scripts in CRuby 4.0, compiled to WebAssembly, inside this
// program: a host that embeds somebody else's interpreter in pure Go.
//
//	npm pack @ruby/4.0-wasm-wasi && tar xzf ruby-4.0-wasm-wasi-*.tgz
//	go run ./examples/ruby -ruby package/dist/ruby+stdlib.wasm -e 'require "json"; puts [1, 2].to_json'
//	go run ./examples/ruby -ruby package/dist/ruby+stdlib.wasm script.rb <input
//
// It is a prefork server, too:
//
//	go run ./examples/ruby -ruby package/dist/ruby+stdlib.wasm -serve 127.0.0.1:8080 -require json,erb -rehearse / examples/ruby/app.rb
//	go run ./examples/ruby -ruby package/dist/ruby+stdlib.wasm -bench 200 -rehearse / examples/ruby/app.rb
//
// starts the interpreter once, requires libraries, loads app.rb, whose value has a method call(env) as Rack has it, freezes all that, and answers each request in
// a fork of it. README.md has what that costs, and what an application must know.
//
// The module is a reactor: it has no _start but functions to call, and it
// imports, besides WASI, two modules that it was built to find in a JavaScript
// program:
//
//   - rb-js-abi-host, 21 functions that work on JavaScript values. There are
//     none here, so each ends the guest with an error that says so; scripts that
//     do not require "js" never call them.
//   - canonical_abi, three functions that keep the host's table of handles:
//     numbers that stand for Ruby objects while the host holds them.
//
// Strings and lists cross the border as WIT's first canonical ABI had it: the
// host allocates with cabi_realloc, writes bytes and pointers into the guest's
// memory, and passes addresses; what the guest returns is at an address, too.
//
// host.go has the imports, abi.go the strings and lists, vm.go Ruby's own
// functions, main.go the command. guest.go is the serve.Guest, with its side in Ruby in adapter.rb; server.go listens; bench.go and pages.go measure.
package main
