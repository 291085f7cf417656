package wasm

// How compiled code gives the stack pointer away in a module without names.

// maxPrologues bounds the functions that are looked at.
const maxPrologues = 4096

// byConvention recognises the output of wasm-ld: the stack pointer is the first global that the module defines, its initial value agrees with
// where the data is, and there are functions that make room on the stack as LLVM has them do.
func (s *stackFinder) byConvention() (uint32, bool) {
	m := s.m
	x := uint32(m.NumImportedGlobals)
	if !s.canPoint(x) {
		return 0, false
	}
	init, ok := s.initial(x)
	if !ok || init == 0 || init%stackAlign != 0 {
		return 0, false
	}
	if s.place(); !s.stackFirst(init) && !s.dataFirst(init) {
		return 0, false
	}
	for i := range m.Bodies[:min(len(m.Bodies), maxPrologues)] {
		if s.isPrologue(&m.Bodies[i], x) {
			return x, true
		}
	}
	return 0, false
}

// isPrologue reports whether a function begins by taking a multiple of 16 from a global and keeping the result in a local and in the global.
func (s *stackFinder) isPrologue(b *Body, global uint32) bool {
	if len(b.Code) == 0 || b.Code[0] != byte(OpGlobalGet) {
		return false
	}
	var r InstrReader
	var in Instr
	r.Reset(b.Code, b.Offset)
	is := func(op Opcode) bool { return r.Next(&in) == nil && in.Op == op }
	con, sub := OpI32Const, OpI32Sub
	if s.m.Memories[0].Is64 {
		con, sub = OpI64Const, OpI64Sub
	}
	return is(OpGlobalGet) && in.Index == global &&
		is(con) && in.Value != 0 && in.Value%stackAlign == 0 &&
		is(sub) && is(OpLocalTee) &&
		is(OpGlobalSet) && in.Index == global
}

// threadEntry reads the stack pointer off the entry of new threads. In wasi-libc and in guest/pthread that is assembly, which
// sets the stack pointer from the first word of the record that it gets, and then the base of the thread's variables from the second.
func (s *stackFinder) threadEntry() (global uint32, ok bool) {
	m := s.m
	fn, ok := m.FindExport(threadEntryName, ExternFunc)
	i := int(fn) - m.NumImportedFuncs
	if !ok || i < 0 || s.m.Memories[0].Is64 {
		return 0, false
	}
	if t := m.FuncType(fn); len(t.Params) != 2 || t.Params[1] != I32 {
		return 0, false
	}
	var r InstrReader
	var in Instr
	r.Reset(m.Bodies[i].Code, m.Bodies[i].Offset)
	is := func(op Opcode) bool { return r.Next(&in) == nil && in.Op == op }
	loads := func(offset uint64) bool {
		return is(OpLocalGet) && in.Index == 1 && is(OpI32Load) && in.Mem.Offset == offset && in.Mem.Memory == 0
	}
	if !loads(0) || !is(OpGlobalSet) {
		return 0, false
	}
	global = in.Index
	if !loads(4) || r.Next(&in) != nil || in.Op != OpGlobalSet && in.Op != OpCall {
		return 0, false
	}
	return global, s.canPoint(global)
}
