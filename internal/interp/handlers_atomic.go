package interp

import (
	"sync/atomic"

	"github.com/spindle-wasm/spindle/internal/vm"
)

func init() {
	handlers[opAtomicNotify] = atomicNotify
	handlers[opAtomicWait32] = atomicWait(4)
	handlers[opAtomicWait64] = atomicWait(8)
}

// cell finds the cell of a wait or notify and makes the checks in the order that the official suite asks for: alignment, then shared (for
// waits), then bounds.
func cell(t *vm.Thread, in *Instr, base, size uint64, wait bool) (m *vm.Memory, ea uint64, err error) {
	m = t.Current().Memories[in.c]
	ea = addr(base, m.Type.Is64) + in.imm
	n := m.Len()
	switch {
	case ea%size != 0:
		return nil, 0, t.Trap(vm.TrapUnalignedAtomic)
	case wait && !m.Type.Shared:
		return nil, 0, t.Trap(vm.TrapExpectedShared)
	case ea < in.imm || ea >= n || n-ea < size:
		return nil, 0, t.Trap(vm.TrapMemoryOutOfBounds)
	}
	return m, ea, nil
}

func atomicWait(size uint64) handler {
	return func(t *vm.Thread, in *Instr) error {
		s := operands(t, in, 3)
		m, ea, err := cell(t, in, s[0], size, true)
		if err != nil {
			return err
		}
		p := ptr(m.Desc.Base + uintptr(ea))
		expected, load := s[1], func() uint64 { return atomic.LoadUint64((*uint64)(p)) }
		if size == 4 {
			expected, load = uint64(uint32(expected)), func() uint64 { return uint64(atomic.LoadUint32((*uint32)(p))) }
		}
		result, err := t.AtomicWait(m, ea, expected, load, int64(s[2]))
		if err == nil {
			operands(t, in, 1)[0] = uint64(result)
		}
		return nextOr(t, err)
	}
}

func atomicNotify(t *vm.Thread, in *Instr) error {
	s := operands(t, in, 2)
	m, ea, err := cell(t, in, s[0], 4, false)
	if err != nil {
		return err
	}
	s[0] = uint64(t.AtomicNotify(m, ea, uint32(s[1])))
	return next(t)
}

// misaligned reports whether a window is for an atomic access to a misaligned address, which traps before bounds are looked at.
func misaligned(t *vm.Thread, window *Instr) bool {
	access := instrAt(t.Ctx.PC + instrSize).op
	if access < opAtomic8Load || access > opAtomic64Cmpxchg {
		return false
	}
	const perSize = opAtomic16Load - opAtomic8Load
	size := uint64(1) << ((access - opAtomic8Load) / perSize)
	base := *slotAt(t.Ctx.FP + uintptr(window.b)*8)
	return (addr(base, window.op == opMemAddr64)+window.imm)%size != 0
}
