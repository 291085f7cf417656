package vm

import (
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// A stack that comes back dirty must not become a linear memory of the same reserved size: that would show one guest what
// another left.
func TestStacksStayStacks(t *testing.T) {
	pools := NewPools()
	defer pools.Close()
	typ := wasm.MemoryType{Limits: wasm.Limits{Min: 4, Max: 4, HasMax: true}}
	m, err := NewMemory(pools, typ, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	size := m.region.Size()
	stack, err := pools.getStack(size)
	if err != nil {
		t.Fatal(err)
	}
	for i := range stack.Bytes(size) {
		stack.Bytes(size)[i] = 0xAA
	}
	pools.putStack(stack, true)
	other, err := NewMemory(pools, typ, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range other.Bytes() {
		if b != 0 {
			t.Fatalf("a new memory has %#x at %#x", b, i)
		}
	}
	m.Close()
	other.Close()
	if n := pools.Live(); n != 0 {
		t.Errorf("%d regions live", n)
	}
}
