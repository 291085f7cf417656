//go:build 386 || arm || mips || mipsle || wasm

package vm

// On systems with 32-bit addresses, address space is what runs out first: see the 64-bit values for what these are.
const (
	maxAddressable  = 1 << 30
	maxReserve      = 32 << 20
	regionSize      = 4 << 20
	regionsTogether = 0
)
