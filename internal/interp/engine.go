package interp

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Engine implements vm.Engine. It is safe for concurrent use.
type Engine struct {
	lowerers sync.Pool
	plain    bool // see lowerer; for tests

	// onPoll is called at each safepoint that met a flag, before the thread answers it; for tests.
	onPoll func(t *vm.Thread)
}

// New makes an engine.
func New() *Engine { return &Engine{} }

var _ vm.Engine = (*Engine)(nil)

// BugError reports a broken invariant of the interpreter. It ends the call that met it, not the program.
type BugError struct{ Msg string }

func (e *BugError) Error() string { return "bug in the interpreter: " + e.Msg }

// Compile implements vm.Engine. Functions are lowered at their first call.
func (e *Engine) Compile(m *wasm.Module, _ *wasm.TypeSpace) (vm.Code, error) {
	if !littleEndian() {
		return nil, errors.New("the interpreter runs on little-endian processors only")
	}
	if len(m.Memories) > 1<<16 {
		return nil, &wasm.LimitError{Limit: "memories", Max: 1 << 16, Got: uint64(len(m.Memories)), Func: -1}
	}
	return newCode(e, m), nil
}

func (e *Engine) lowerer() *lowerer {
	if l, ok := e.lowerers.Get().(*lowerer); ok {
		return l
	}
	return &lowerer{}
}

// maxKept bounds the memory that an idle lowerer keeps.
const maxKept = 1 << 14

func (e *Engine) done(l *lowerer) {
	l.trace, l.offsets = false, nil
	if cap(l.code) <= maxKept && cap(l.stack) <= maxKept && cap(l.locals) <= maxKept && len(l.oneType) <= maxKept {
		e.lowerers.Put(l)
	}
}

// Stubs that frames return to, in place of a caller's code.
var (
	stubDone    = Instr{op: opDone}    // to the host: the activation is over
	stubRestore = Instr{op: opRestore} // to another instance: see bridge
)

// Call implements vm.Engine.
func (e *Engine) Call(t *vm.Thread, inst *vm.Instance, fn uint32, slots []uint64) error {
	if t.InHost() != nil {
		defer t.LeaveGuest(t.EnterGuest())
	}
	ctx := t.Ctx
	if t.Asked() {
		if err := t.Poll(); err != nil {
			return err
		}
	}
	if t.Store.CollectDue() && len(t.Activations) == 0 {
		t.Store.CollectWith(t.Store.Types().Def(inst.FuncTypeID(fn)).Func.Params, slots)
	}
	d := inst.Code.(*Code).desc(fn)
	fp := t.Top
	entry := loadEntry(d)
	if need := fp + max(frameBytes(entry), uintptr(d.results)*8); need > ctx.StackNear() {
		if need > ctx.StackTop() {
			return t.Trap(vm.TrapStackExhausted)
		}
		t.DeepStack()
	}
	t.Activations = append(t.Activations, vm.Activation{PC: ctx.PC, FP: ctx.FP, Top: fp, Instance: ctx.Instance})
	copy(slotsAt(fp, int(d.params)), slots)
	writeHeader(fp+uintptr(d.params)*8, addrOf(&stubDone), 0)
	t.SwitchTo(inst)
	ctx.PC, ctx.FP = entry, fp
	t.ArgumentsTaken()
	err := finish(t, slots[:d.results])
	if t.Heap() != nil {
		t.ResultsGiven(t.Store.Types().Def(inst.FuncTypeID(fn)).Func.Results, slots, err)
	}
	return err
}

// finish runs the innermost activation to its end.
func finish(t *vm.Thread, results []uint64) error {
	err := guarded(t)
	n := len(t.Activations) - 1
	outer := &t.Activations[n]
	if err == nil {
		copy(results, slotsAt(outer.Top, len(results)))
	}
	ctx := t.Ctx
	ctx.PC, ctx.FP, t.Top = outer.PC, outer.FP, outer.Top
	if n > 0 {
		t.SwitchTo(t.Store.Instances[outer.Instance])
	}
	t.Activations = t.Activations[:n]
	return err
}

// Rewind implements vm.Engine.
func (e *Engine) Rewind(t *vm.Thread) {
	if t.Ctx.PC&inFlight != 0 {
		t.Ctx.PC = t.Ctx.PC&^inFlight - instrSize
	}
}

// Resume implements vm.Engine.
func (e *Engine) Resume(t *vm.Thread, slots []uint64) error {
	t.SwitchTo(t.Store.Instances[t.Ctx.Instance])
	return finish(t, slots)
}

// guarded is drive with a panic of ours turned into an error, so that other Processes go on.
func guarded(t *vm.Thread) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &BugError{fmt.Sprintf("panic: %v\n%s", v, debug.Stack())}
		}
	}()
	return drive(t)
}

// drive runs the innermost activation from the context's exit state until it is over.
func drive(t *vm.Thread) error {
	ctx := t.Ctx
	for {
		var base uintptr
		var size uint64
		if inst := t.Current(); len(inst.Memories) > 0 {
			base, size = inst.Memories[0].Desc.Base, inst.Memories[0].Len()
		}
		x := run(ctx, ptr(ctx.PC), 0, ptr(ctx.FP), ptr(base), size)
		if raceEnabled {
			c := codeOf(t.Current())
			c.mu.Lock()
			c.mu.Unlock() //nolint:staticcheck // for the edge only
		}
		var err error
		switch x {
		case exitCold:
			in := instrAt(ctx.PC)
			if in.op == opDone {
				return nil
			}
			h := handlers[in.op]
			if h == nil {
				return &BugError{"no handler for " + in.op.String()}
			}
			err = h(t, in)
		case exitPoll:
			err = poll(t)
		case exitStack:
			// The limit also trips to have a flag looked at, any number of times: what the call needs decides.
			need := ctx.Arg
			if ctx.Flag() != 0 {
				err = poll(t)
			}
			switch {
			case err != nil:
			case need > uint64(ctx.StackTop()):
				err = t.Trap(vm.TrapStackExhausted)
			case need > uint64(ctx.StackNear()):
				t.DeepStack()
			}
		case exitBounds:
			err = bounds(t)
		default:
			err = t.Trap(vm.TrapCode(x - exitTrap))
		}
		if err != nil {
			if trap, ok := err.(*vm.TrapError); ok { //nolint:errorlint // a wrapped one has its backtrace
				t.Backtrace(trap)
			}
			return err
		}
	}
}

// safepoint polls if there is a reason to.
func safepoint(t *vm.Thread) error {
	if t.Ctx.Flag() == 0 {
		return nil
	}
	return poll(t)
}

// poll answers the safepoint word at the context's exit state.
func poll(t *vm.Thread) error {
	if m := codeOf(t.Current()).find(t.Ctx.PC); m != nil {
		t.Top = t.Ctx.FP + uintptr(m.frame)
	}
	if e, ok := t.Engine.(*Engine); ok && e.onPoll != nil {
		e.onPoll(t)
	}
	if t.Store.CollectDue() {
		t.Store.Collect()
	}
	return t.Poll()
}

func codeOf(inst *vm.Instance) *Code { return inst.Code.(*Code) }

// bounds decides about an access that the loop found out of bounds: another thread may have grown memory 0 since the loop
// read its size. That of a window has been read just before the access, and the slot of the address may be gone since.
func bounds(t *vm.Thread) error {
	ctx := t.Ctx
	before := instrAt(ctx.PC - instrSize).op
	if before != opMemAddr32 && before != opMemAddr64 && t.Current().Memories[0].Len() > ctx.Arg {
		return nil
	}
	return t.Trap(vm.TrapMemoryOutOfBounds)
}
