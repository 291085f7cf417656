//go:build 386 || arm || mips || mipsle || wasm

package mem

// chunkSize is the address space of one mapping of Slots.
const chunkSize = 4 << 20
