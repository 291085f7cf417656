//go:build !(386 || arm || mips || mipsle || wasm)

package vm

const (
	// maxAddressable bounds one reservation: well below the 47 bits of user address space that every 64-bit system gives.
	maxAddressable = 1 << 44
	// maxReserve bounds the address space reserved at first for an unshared memory; a larger one grows by moving. No 32-bit
	// memory needs more.
	maxReserve = 8 << 30
	// regionSize is address space for globals and exceptions of a thread's store; it is committed as it fills.
	regionSize = 64 << 20
	// regionsTogether is how many of them share a mapping, where what is not touched costs nothing; 0 is one for each.
	regionsTogether = 16
)
