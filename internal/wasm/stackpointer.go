package wasm

// stackPointerName is what C compilers and wasm-ld call the stack pointer of the stack in linear memory.
const stackPointerName = "__stack_pointer"

// StackPointer returns the global that points at the C stack in linear memory, if the module tells which one that is: by an export, or
// in the name section. It is mutable, an i32 or an i64 as the addresses of memory 0 are, and may be imported. The search happens at the first call.
func (m *Module) StackPointer() (global uint32, ok bool) {
	m.stackOnce.Do(func() { m.stackPointer, m.hasStackPointer = m.findStackPointer() })
	return m.stackPointer, m.hasStackPointer
}

func (m *Module) findStackPointer() (uint32, bool) {
	if len(m.Memories) == 0 {
		return 0, false
	}
	if x, ok := m.FindExport(stackPointerName, ExternGlobal); ok {
		return x, m.pointsIntoMemory(x)
	}
	if x, ok := m.GlobalNamed(stackPointerName); ok {
		return x, m.pointsIntoMemory(x)
	}
	return 0, false
}

// pointsIntoMemory reports whether a global can hold an address that changes.
func (m *Module) pointsIntoMemory(x uint32) bool {
	if uint64(x) >= uint64(len(m.Globals)) {
		return false
	}
	want := I32
	if m.Memories[0].Is64 {
		want = I64
	}
	t := m.Globals[x].Type
	return t.Mutable && t.Type == want
}
