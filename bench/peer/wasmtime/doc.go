// Wasmtime makes calls on wasmtime, for comparison: wasmtime module.wasm, with the calls on standard input, as
// internal/gcguests.Peer gives them. It is a module of its own, because wasmtime is a library in C of 200 MB: bench builds it,
// with CGO_ENABLED=1, when it makes a table that has the column.
package main
