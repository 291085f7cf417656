//go:build 386 || arm || mips || mipsle || wasm

package vm

// maxAddressable bounds one reservation on systems with 32-bit addresses.
const maxAddressable = 1 << 30
