package wasm

import "math"

// CStack is what a module tells about the stack that C code keeps in memory 0. Compilers agree on its shape, not on any mark in
// the module: each fact here is taken only from where it is certain, since a wrong one would trap programs that are right.
type CStack struct {
	// Known says that Pointer is the global that holds the stack pointer: mutable, of memory 0's address type, perhaps imported.
	// Without it nothing else but SetLimits counts.
	Known   bool
	Pointer uint32

	// Low is the main thread's lowest stack address as far as the module tells, otherwise 0: stacks end there at the latest. High, if not 0,
	// is the end of its stack, where the stack pointer starts in a module that no tool has run before.
	Low, High uint64

	// SetLimits is the function exported as __set_stack_limits, or -1: Binaryen's --stack-check adds it. Its parameters are the stack's
	// highest and lowest address.
	SetLimits int64

	// Record tells what the argument of wasi_thread_start points to.
	Record ThreadRecord
}

// ThreadRecord is what is known of the record by which a C library tells a new thread its stack.
type ThreadRecord uint8

const (
	NoRecord     ThreadRecord = iota
	RecordTop                 // word 0 is the address that the stack pointer starts at, word 1 that of the thread's variables
	RecordBounds              // also word 2 is the lowest address of the stack: guest/pthread
)

// threadRecordSection is a custom section by which a library says that its threads' records are RecordBounds. Its first byte is 1.
const threadRecordSection = "spindle.pthread"

const (
	stackPointerName = "__stack_pointer"
	setLimitsName    = "__set_stack_limits"
	threadEntryName  = "wasi_thread_start"

	// defaultGlobalBase is where wasm-ld puts the first data unless told otherwise, or unless the stack comes first.
	defaultGlobalBase = 1024
	// stackAlign is what stack pointers are multiples of.
	stackAlign = 16
)

// CStack returns what the module tells about its C stack. The search happens at the first call and does not read names of functions. The
// result must not be written to. Precondition: m went through Validate.
func (m *Module) CStack() *CStack {
	m.cstackOnce.Do(func() {
		s := stackFinder{m: m}
		s.find()
		m.cstack = s.CStack
	})
	return &m.cstack
}

type stackFinder struct {
	CStack
	m    *Module
	data []extent // where the initial data is, if placed
	init uint64   // of the stack pointer, 0 if it is not constant
}

// extent is a range of addresses of memory 0.
type extent struct{ start, end uint64 }

func (s *stackFinder) find() {
	m := s.m
	s.SetLimits = -1
	if x, ok := m.FindExport(setLimitsName, ExternFunc); ok {
		if t := m.FuncType(x); len(t.Results) == 0 && len(t.Params) == 2 && t.Params[0] == t.Params[1] && (t.Params[0] == I32 || t.Params[0] == I64) {
			s.SetLimits = int64(x)
		}
	}
	if len(m.Memories) == 0 {
		return
	}
	entry, byEntry := s.threadEntry()
	if x, ok := m.FindExport(stackPointerName, ExternGlobal); ok {
		s.Pointer, s.Known = x, true
	} else if x, ok := m.GlobalNamed(stackPointerName); ok {
		s.Pointer, s.Known = x, true
	} else if byEntry {
		s.Pointer, s.Known = entry, true
	} else if x, ok := s.byConvention(); ok {
		s.Pointer, s.Known = x, true
	}
	if s.Known = s.Known && s.canPoint(s.Pointer); !s.Known {
		return
	}
	s.init, _ = s.initial(s.Pointer)
	if byEntry && entry == s.Pointer {
		s.Record = RecordTop
		for i := range m.Customs {
			if c := &m.Customs[i]; c.Name == threadRecordSection && len(c.Data) > 0 && c.Data[0] == 1 {
				s.Record = RecordBounds
			}
		}
	}
	s.bounds()
}

// canPoint reports whether a global can hold an address that changes.
func (s *stackFinder) canPoint(x uint32) bool {
	if uint64(x) >= uint64(len(s.m.Globals)) {
		return false
	}
	t := s.m.Globals[x].Type
	return t.Mutable && t.Type == s.addressType()
}

func (s *stackFinder) addressType() ValType {
	if s.m.Memories[0].Is64 {
		return I64
	}
	return I32
}

// initial returns the value of a defined global of the address type whose initialiser is a plain constant.
func (s *stackFinder) initial(x uint32) (uint64, bool) {
	if x < uint32(s.m.NumImportedGlobals) || uint64(x) >= uint64(len(s.m.Globals)) {
		return 0, false
	}
	return s.constant(&s.m.Globals[x].Init)
}

// constant evaluates an expression that is a single constant of the address type.
func (s *stackFinder) constant(e *ConstExpr) (uint64, bool) {
	var r InstrReader
	var in Instr
	r.Reset(e.Code, e.Offset)
	want := OpI32Const
	if s.m.Memories[0].Is64 {
		want = OpI64Const
	}
	if r.Next(&in) != nil || in.Op != want {
		return 0, false
	}
	v := in.Value
	if want == OpI32Const {
		v = uint64(uint32(v))
	}
	return v, r.Next(&in) == nil && in.Op == OpEnd
}

// address returns the constant that is exported under a name that wasm-ld gives to addresses.
func (s *stackFinder) address(name string) (uint64, bool) {
	x, ok := s.m.FindExport(name, ExternGlobal)
	if !ok {
		// References of position-independent objects stand in globals of their own.
		if x, ok = s.m.GlobalNamed("GOT.data.internal." + name); !ok {
			return 0, false
		}
	}
	if uint64(x) >= uint64(len(s.m.Globals)) || s.m.Globals[x].Type.Mutable || s.m.Globals[x].Type.Type != s.addressType() {
		return 0, false
	}
	return s.initial(x)
}

// bounds finds the main thread's stack. wasm-ld lays memory out in one of two orders: the stack, at address 0, before the data; or the
// data, then the stack. What lies behind both is the heap.
func (s *stackFinder) bounds() {
	high, okHigh := s.address("__stack_high")
	if low, ok := s.address("__stack_low"); ok && okHigh && low < high && s.init <= high && (s.init > low || s.init == 0) {
		s.Low, s.High = low, high
		return
	}
	if s.init == 0 {
		return
	}
	if end, ok := s.address("__data_end"); ok && end < s.init {
		s.Low = end
		return
	}
	// Data below the stack pointer tells only if all of it is there, as the linker has put it. A module that was run and then saved with
	// its memory has data everywhere: on its stack and on its heap too.
	s.place()
	if s.dataFirst(s.init) {
		for _, d := range s.data {
			s.Low = max(s.Low, d.end)
		}
	}
}

// dataFirst reports whether the initial data lies as it does when wasm-ld puts a stack behind it whose end is high.
func (s *stackFinder) dataFirst(high uint64) bool {
	first, last := uint64(math.MaxUint64), uint64(0)
	for _, d := range s.data {
		first, last = min(first, d.start), max(last, d.end)
	}
	return len(s.data) > 0 && first == defaultGlobalBase && last < high
}

// stackFirst reports whether the initial data lies as it does when wasm-ld puts it behind a stack whose end is high.
func (s *stackFinder) stackFirst(high uint64) bool {
	first := uint64(math.MaxUint64)
	for _, d := range s.data {
		first = min(first, d.start)
	}
	return len(s.data) > 0 && first >= high && first-high < 64 // a first segment is aligned
}

// place finds where the initial data goes: by active segments, or in a module for threads by the start function that the linker makes,
// which writes passive ones. It finds nothing unless it finds all.
func (s *stackFinder) place() {
	if s.data != nil {
		return
	}
	s.data = []extent{}
	var all []extent
	passive := 0
	for i := range s.m.Datas {
		d := &s.m.Datas[i]
		switch {
		case len(d.Init) == 0:
		case d.Mode == SegmentPassive:
			passive++
		case d.Memory == 0:
			at, ok := s.constant(&d.Start)
			if !ok || at+uint64(len(d.Init)) < at {
				return
			}
			all = append(all, extent{at, at + uint64(len(d.Init))})
		}
	}
	if passive > 0 {
		found, ok := s.placedByStart(passive)
		if !ok {
			return
		}
		all = append(all, found...)
	}
	s.data = all
}

// placedByStart reads the constants of the memory.init and memory.fill of the start function.
func (s *stackFinder) placedByStart(want int) (found []extent, ok bool) {
	i := s.m.Start - int64(s.m.NumImportedFuncs)
	if s.m.Start < 0 || i < 0 || i >= int64(len(s.m.Bodies)) {
		return nil, false
	}
	var r InstrReader
	var in Instr
	var consts []uint64 // the operands that are known, the last one topmost
	r.Reset(s.m.Bodies[i].Code, s.m.Bodies[i].Offset)
	for seen := map[uint32]bool{}; r.More(); {
		if r.Next(&in) != nil {
			return nil, false
		}
		n := len(consts)
		switch {
		case in.Op == OpI32Const:
			consts = append(consts, uint64(uint32(in.Value)))
		case in.Op == OpI64Const:
			consts = append(consts, in.Value)
		case in.Op == OpGlobalSet && n > 0:
			consts = consts[:n-1]
		case in.Op == OpMemoryInit || in.Op == OpMemoryFill:
			if n < 3 || consts[n-3]+consts[n-1] < consts[n-3] {
				return nil, false
			}
			d := extent{consts[n-3], consts[n-3] + consts[n-1]}
			if consts = consts[:n-3]; in.Op == OpMemoryInit {
				if in.Index2 != 0 || seen[in.Index] {
					return nil, false
				}
				seen[in.Index] = true
				want--
			}
			found = append(found, d)
		default:
			consts = consts[:0]
		}
	}
	return found, want == 0
}
