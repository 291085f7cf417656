// Package wasm holds modules: their types, the binary format's decoder, the validator, canonical types across modules, and the
// one instruction table (instructions.txt) that every other package reads.
package wasm
