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
	// regionsTogether is how many of them share a mapping, where what is not touched costs nothing; 0 is one for each. Linux puts that mapping right below the one of
	// stacks, so its length is the distance of a program's first context from its first frame: see cacheAlias.
	regionsTogether = 17
	// cacheAlias is a distance at which two lines are not to lie that are used all the time. The level 1 caches of AMD's Zen predict a line's way by a hash of the bits
	// 12 to 27 of its address (Lipp et al., Take A Way: Exploring the Security Implications of AMD's Cache Way Predictors, 2020); where two lines of a set agree in
	// these, each access to one makes the next to the other slow. With 16 regions, 1 GiB, many kernels of bench took 1.2 to 1.4 times as long.
	cacheAlias = 1 << 28
)

// It does not compile if the distance is a multiple of cacheAlias.
const _ uint = regionsTogether*regionSize%cacheAlias - 1
