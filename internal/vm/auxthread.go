package vm

import (
	"encoding/binary"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// ThreadStack reads where the C stack of a thread is that the guest has spawned, from the record that arg points to, which the C library wrote
// for its own use: see wasm.ThreadRecord. ok is false if the library is not one that is known, or if the record does not look like
// what that one writes.
// Preconditions: the thread has not begun, so the record still is as the spawning thread left it.
func ThreadStack(inst *Instance, arg uint32) (low, high uint64, ok bool) {
	s := inst.Module.CStack()
	if s.Record == wasm.NoRecord {
		return 0, 0, false
	}
	r := recordReader{inst.Memories[0].Bytes()}
	top, variables := r.word(arg), r.word(arg+4)
	switch s.Record {
	case wasm.RecordBounds:
		low := r.word(arg + 8)
		return uint64(low), uint64(top), low < top && uint64(top) <= uint64(len(r.mem))
	case wasm.RecordTop:
		return r.muslStack(top, variables)
	}
	return 0, 0, false
}

// recordReader reads words of linear memory, 0 where it ends.
type recordReader struct{ mem []byte }

func (r recordReader) word(at uint32) uint32 {
	if uint64(at)+4 > uint64(len(r.mem)) {
		return 0
	}
	return binary.LittleEndian.Uint32(r.mem[at:])
}

// muslStack looks for wasi-libc's descriptor of a thread. It is among the thread's variables and begins with its own address. Further on
// come, at a distance that changes with the version, the address and size of the block that holds stack and variables, the stack's
// upper end, which is the one in the record, and its size. All of that must agree.
func (r recordReader) muslStack(top, variables uint32) (low, high uint64, ok bool) {
	const (
		searched = 16 << 10 // bytes of variables
		farthest = 24       // words of the descriptor
		slack    = 16       // the upper end was aligned after the size was worked out
	)
	for at := variables; at-variables < searched && at >= variables; at += 4 {
		if at == 0 || r.word(at) != at {
			continue
		}
		for f := at + 4; f < at+4*farthest; f += 4 {
			block, blockSize, stack, stackSize := uint64(r.word(f)), uint64(r.word(f+4)), r.word(f+8), uint64(r.word(f+12))
			end := block + blockSize
			if stack != top || block == 0 || end > uint64(len(r.mem)) || uint64(at) < block || uint64(at) >= end || uint64(top) > end {
				continue
			}
			if stackSize >= slack && uint64(top)+slack > block+stackSize {
				return max(block, uint64(top)-min(uint64(top), stackSize)), uint64(top), uint64(top) > block
			}
		}
	}
	return 0, 0, false
}
