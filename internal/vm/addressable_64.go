//go:build !(386 || arm || mips || mipsle || wasm)

package vm

// maxAddressable bounds one reservation: well below the 47 bits of user address space that every 64-bit system gives.
const maxAddressable = 1 << 44
