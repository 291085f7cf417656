package spindle

import (
	"encoding/binary"
	"errors"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// PageSize is the size of a page of linear memory.
const PageSize = wasm.PageSize

// Memory is a linear memory. Offsets and sizes are in bytes and checked; nothing panics on what a guest may pass. An unshared
// memory must not be used while another goroutine runs its guest. On a shared memory plain reads and writes race as the
// guest's own do.
type Memory struct {
	m    *vm.Memory
	held bool // by NewSharedMemory's caller
}

func (m *Memory) extern(p *Process) (vm.Extern, error) {
	return vm.Extern{Kind: KindMemory, Memory: m.m}, nil
}

// NewMemory makes a memory for the Process's modules to import. It is closed with the Process. A shared one needs a maximum.
func (p *Process) NewMemory(t MemoryType) (*Memory, error) {
	if t.Shared && !t.HasMax {
		return nil, errSharedMax
	}
	m, err := p.thread.Store.AddMemory(t, p.memoryLimits())
	if err != nil {
		return nil, err
	}
	return &Memory{m: m}, nil
}

var errSharedMax = errors.New("a shared memory needs Shared and a maximum")

// NewSharedMemory makes a shared memory that modules of several Processes may import. They keep it alive; Close gives back the caller's own hold on it.
// The Runtime's WithMaxMemory bounds it, also while no Process has it; each Process that imports it counts it in its own bound.
func (r *Runtime) NewSharedMemory(t MemoryType) (*Memory, error) {
	if !t.Shared || !t.HasMax {
		return nil, errSharedMax
	}
	m, err := vm.NewMemory(r.pools, t, memoryLimits(r.maxMemory))
	if err != nil {
		return nil, err
	}
	return &Memory{m: m, held: true}, nil
}

// Close gives back the hold of whoever called NewSharedMemory; other memories are closed with their Process.
func (m *Memory) Close() error {
	if m.held {
		m.held = false
		m.m.Close()
	}
	return nil
}

// Type returns the memory's type.
func (m *Memory) Type() MemoryType { return m.m.Type }

// Size returns the size in bytes.
func (m *Memory) Size() uint64 { return m.m.Len() }

// Grow adds pages and returns the old size in pages; ok is false if the memory cannot grow that far.
func (m *Memory) Grow(pages uint64) (old uint64, ok bool) { return m.m.Grow(pages) }

// View returns n bytes at off without copying: writes go to the guest. ok is false if they are out of bounds. The view ends
// with the host function that takes it, when an unshared memory grows, and when the Process is closed: using it then may end the program.
func (m *Memory) View(off, n uint64) (b []byte, ok bool) {
	size := m.m.Len()
	if n > size || off > size-n {
		return nil, false
	}
	return m.m.Bytes()[off : off+n : off+n], true
}

// Read copies len(b) bytes at off into b; it reports false if they are out of bounds.
func (m *Memory) Read(off uint64, b []byte) bool {
	v, ok := m.View(off, uint64(len(b)))
	copy(b, v)
	return ok
}

// Write copies b to off; it reports false, and writes nothing, if that is out of bounds.
func (m *Memory) Write(off uint64, b []byte) bool {
	v, ok := m.View(off, uint64(len(b)))
	copy(v, b)
	return ok
}

// ReadString returns n bytes at off as a string.
func (m *Memory) ReadString(off, n uint64) (string, bool) {
	v, ok := m.View(off, n)
	return string(v), ok
}

// Uint32 reads a little-endian 32-bit integer.
func (m *Memory) Uint32(off uint64) (uint32, bool) {
	var b [4]byte
	ok := m.Read(off, b[:])
	return binary.LittleEndian.Uint32(b[:]), ok
}

// PutUint32 writes a little-endian 32-bit integer.
func (m *Memory) PutUint32(off uint64, x uint32) bool {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], x)
	return m.Write(off, b[:])
}

// Uint64 reads a little-endian 64-bit integer.
func (m *Memory) Uint64(off uint64) (uint64, bool) {
	var b [8]byte
	ok := m.Read(off, b[:])
	return binary.LittleEndian.Uint64(b[:]), ok
}

// PutUint64 writes a little-endian 64-bit integer.
func (m *Memory) PutUint64(off uint64, x uint64) bool {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], x)
	return m.Write(off, b[:])
}
