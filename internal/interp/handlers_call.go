package interp

import (
	"errors"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// A call to another instance goes through a bridge, a small frame of our own between the caller's arguments and the callee's frame. The callee
// returns to stubRestore with fp at the bridge. Its slots:
const (
	bridgeReturn   = iota // return address in the caller
	bridgeDelta           // bytes from the caller's fp to its arguments, where the results go
	bridgeInstance        // the caller's instance; parameter slots between those arguments and the bridge << 32
	bridgeResults         // result slots
	bridgeSlots
)

// inFlight marks an exit state's PC as that of a call whose callee runs (PC is then the return address). Instructions are
// aligned, so the bit is free.
const inFlight = 1

func writeHeader(at, ret, delta uintptr) {
	*slotAt(at) = uint64(ret)
	*slotAt(at + 8) = uint64(delta)
}

func readHeader(at uintptr) (ret, delta uintptr) {
	return uintptr(*slotAt(at)), uintptr(*slotAt(at + 8))
}

// isTail reports whether a call instruction is a tail call, and where the own header is then.
func isTail(in *Instr) (header uintptr, tail bool) {
	switch in.op {
	case opTailCallImport:
		return uintptr(in.c), true
	case opTailCallIndirect, opTailCallIndirect64, opTailCallRef:
		return uintptr(in.imm >> 48), true
	}
	return 0, false
}

func callImport(t *vm.Thread, in *Instr) error {
	im := &t.Current().Imports[in.imm]
	if im.Host != nil {
		return callHost(t, in, im.Host)
	}
	return callGuest(t, in, im.Inst, im.Func)
}

func callIndirect(t *vm.Thread, in *Instr) error {
	tb := t.Current().Tables[uint16(in.imm>>32)]
	r, ok := tb.Get(addr(*slotAt(t.Ctx.FP + uintptr(in.c)*8), tb.Type.Is64))
	if !ok {
		return t.Trap(vm.TrapUndefinedElement)
	}
	if r == vm.NullRef {
		return t.Trap(vm.TrapUninitializedElement)
	}
	d := t.Store.Func(r)
	if want := uint32(in.imm); d.Type != want && !t.Store.Types().IsSubtype(wasm.TypeID(d.Type), wasm.TypeID(want)) {
		return t.Trap(vm.TrapIndirectCallType)
	}
	return callDesc(t, in, d)
}

func callRef(t *vm.Thread, in *Instr) error {
	r := vm.Ref(*slotAt(t.Ctx.FP + uintptr(in.c)*8))
	if r == vm.NullRef {
		return t.Trap(vm.TrapNullFunction)
	}
	return callDesc(t, in, t.Store.Func(r))
}

func callDesc(t *vm.Thread, in *Instr, d *vm.FuncDesc) error {
	if d.Code == 0 {
		return callHost(t, in, t.Store.HostFunc(d.Func))
	}
	return callGuest(t, in, t.Store.Instances[d.Instance], d.Func)
}

// callHost calls a host function; its slots are where the arguments lie. There is no safepoint between the function's return, or the exception that it throws,
// and what the guest makes of that: a clone would call again. So there is one before, for loops that go around by exceptions.
func callHost(t *vm.Thread, in *Instr, h *vm.HostFunc) error {
	if err := safepoint(t); err != nil {
		return err
	}
	ctx := t.Ctx
	pc := ctx.PC + instrSize
	args := ctx.FP + uintptr(in.a)*8
	n := max(h.Params, h.Results)
	header, tail := isTail(in)
	if top := args + uintptr(n)*8; top > ctx.StackTop() {
		return t.Trap(vm.TrapStackExhausted)
	} else {
		t.Top = top
	}
	ctx.PC = pc | inFlight
	if err := t.CallHost(h, slotsAt(args, n)); err != nil {
		return hostFailed(t, h, err)
	}
	ctx.PC = pc
	if tail {
		// The own frame is still there: return from it.
		ret, delta := readHeader(ctx.FP + header*8)
		copy(slotsAt(ctx.FP, h.Results), slotsAt(args, h.Results))
		ctx.PC, ctx.FP = ret, ctx.FP-delta
	}
	return nil
}

// hostFailed makes of a host function's error what the guest's caller gets. An exception goes on in the guest.
func hostFailed(t *vm.Thread, h *vm.HostFunc, err error) error {
	var ex *vm.Exception
	if errors.As(err, &ex) && ex.Store == t.Store {
		return raise(t, ex.Ref, ex)
	}
	err = vm.HostError(t, h, err)
	var trap *vm.TrapError
	if errors.As(err, &trap) { // that of a nested call has its own backtrace
		t.Backtrace(trap)
	}
	return err
}

// callGuest enters a function of any instance of the store.
func callGuest(t *vm.Thread, in *Instr, inst *vm.Instance, fn uint32) error {
	if err := safepoint(t); err != nil {
		return err
	}
	ctx := t.Ctx
	c := codeOf(inst)
	d := c.desc(fn)
	entry := loadEntry(d)
	if entry == addrOf(&d.lazy) {
		var err error
		if entry, err = c.lower(fn); err != nil {
			return err
		}
	}
	n := int(d.params)
	args := ctx.FP + uintptr(in.a)*8
	fp, ret, delta := args, ctx.PC+instrSize, uintptr(in.a)*8
	header, tail := isTail(in)
	if tail {
		fp = ctx.FP
		ret, delta = readHeader(fp + header*8)
	}
	bridge, at := inst.Index != ctx.Instance, fp
	if tail && (ret == addrOf(&stubRestore) || ret == addrOf(&stubDone)) {
		bridge = false // the bridge below, or the host, restores the right instance: constant stack
	}
	if bridge {
		if !tail {
			at += uintptr(n) * 8
		}
		fp = at + bridgeSlots*8
	}
	if fp+max(frameBytes(entry), uintptr(d.results)*8) > ctx.StackTop() {
		return t.Trap(vm.TrapStackExhausted)
	}
	copy(slotsAt(fp, n), slotsAt(args, n))
	if bridge {
		b := slotsAt(at, bridgeSlots)
		b[bridgeReturn], b[bridgeDelta] = uint64(ret), uint64(delta)
		b[bridgeInstance], b[bridgeResults] = uint64(ctx.Instance)|uint64(at-resultsAt(args, at))/8<<32, uint64(d.results)
		ret, delta = addrOf(&stubRestore), bridgeSlots*8
	}
	writeHeader(fp+uintptr(n)*8, ret, delta)
	if inst.Index != ctx.Instance {
		t.SwitchTo(inst)
	}
	ctx.PC, ctx.FP = entry, fp
	return nil
}

// resultsAt is where a bridged call's results go: to the arguments below the bridge, or in place of it after a tail call,
// whose arguments lay above.
func resultsAt(args, bridge uintptr) uintptr { return min(args, bridge) }

// restore returns through a bridge.
func restore(t *vm.Thread, _ *Instr) error {
	ctx := t.Ctx
	at := ctx.FP
	b := slotsAt(at, bridgeSlots)
	ret, delta, results := uintptr(b[bridgeReturn]), uintptr(b[bridgeDelta]), int(b[bridgeResults])
	inst, gap := uint32(b[bridgeInstance]), uintptr(b[bridgeInstance]>>32)
	to := at - gap*8
	copy(slotsAt(to, results), slotsAt(at+bridgeSlots*8, results))
	ctx.PC, ctx.FP = ret, to-delta
	t.SwitchTo(t.Store.Instances[inst])
	return nil
}
