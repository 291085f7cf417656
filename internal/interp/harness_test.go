package interp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// world is a thread with named instances, for tests at the engine's own level.
type world struct {
	t      testing.TB
	types  *wasm.TypeSpace
	engine *Engine
	thread *vm.Thread
	pools  *vm.Pools
	insts  map[string]*vm.Instance
	hosts  map[string]*vm.Func
	close  func()
}

func newWorld(t testing.TB, stack int) *world {
	t.Helper()
	w := &world{t: t, types: wasm.NewTypeSpace(), engine: New(), insts: map[string]*vm.Instance{}, hosts: map[string]*vm.Func{}}
	pools := vm.NewPools()
	th, err := vm.NewThread(w.engine, pools, vm.ThreadConfig{StackSize: stack})
	if err != nil {
		t.Fatal(err)
	}
	w.thread, w.pools = th, pools
	if err := th.EnterBackground(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.close = sync.OnceFunc(func() {
		th.Leave()
		th.Shutdown(errors.New("test over"))
		pools.Close()
	})
	t.Cleanup(w.close)
	return w
}

// host defines a host function; modules import it as "host" name.
func (w *world) host(name string, params, results []wasm.ValType, fn func(t *vm.Thread, s []uint64) error) {
	w.t.Helper()
	f, err := vm.NewHostFunc(w.types, name, wasm.FuncType{Params: params, Results: results}, fn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.hosts[name] = f
}

func assemble(t testing.TB, src string) []byte {
	t.Helper()
	bin, err := wat.Assemble([]byte(src), wat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func compile(t testing.TB, ts *wasm.TypeSpace, src string) *wasm.Module {
	t.Helper()
	return decode(t, ts, assemble(t, src))
}

func decode(t testing.TB, ts *wasm.TypeSpace, bin []byte) *wasm.Module {
	t.Helper()
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	if err := wasm.Validate(m, ts, wasm.ValidateOptions{}); err != nil {
		t.Fatal(err)
	}
	return m
}

// instance makes an instance that others can import from by its name.
func (w *world) instance(name, src string) *vm.Instance {
	w.t.Helper()
	return w.binary(name, assemble(w.t, src))
}

// binary is instance for a module in the binary format.
func (w *world) binary(name string, bin []byte) *vm.Instance {
	w.t.Helper()
	m := decode(w.t, w.types, bin)
	code, err := w.engine.Compile(m, w.types)
	if err != nil {
		w.t.Fatal(err)
	}
	inst, err := vm.Instantiate(w.thread, m, code, func(im *wasm.Import) (vm.Extern, bool, error) {
		if im.Module == "host" {
			f := w.hosts[im.Name]
			return vm.Extern{Kind: wasm.ExternFunc, Func: f}, f != nil, nil
		}
		if from := w.insts[im.Module]; from != nil {
			x, ok := from.Export(im.Name)
			return x, ok, nil
		}
		return vm.Extern{}, false, nil
	}, vm.MemoryLimits{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.insts[name] = inst
	if m.Start >= 0 {
		if err := w.engine.Call(w.thread, inst, uint32(m.Start), nil); err != nil {
			w.t.Fatal(err)
		}
	}
	return inst
}

// call calls an export.
func (w *world) call(inst *vm.Instance, export string, args ...uint64) ([]uint64, error) {
	w.t.Helper()
	x, ok := inst.Export(export)
	if !ok {
		w.t.Fatalf("no export %q", export)
	}
	ft := w.types.Def(x.Func.Type).Func
	slots := make([]uint64, max(slotsOf(ft.Params), slotsOf(ft.Results)))
	copy(slots, args)
	if w.thread.InHost() == nil && len(w.thread.Activations) == 0 {
		w.soil()
	}
	err := w.engine.Call(w.thread, x.Func.Inst, x.Func.Index, slots)
	w.atRest()
	return slots[:slotsOf(ft.Results)], err
}

// soil fills the first part of the stack, whose contents are arbitrary by contract, so that what should have been zeroed shows.
func (w *world) soil() {
	const slots = 512
	if w.thread.Ctx.StackTop()-w.thread.Ctx.StackBase < slots*8 {
		return
	}
	for i := range slotsAt(w.thread.Ctx.StackBase, slots) {
		*slotAt(w.thread.Ctx.StackBase + uintptr(i)*8) = 0xA5A5A5A5_C3C3C3C3
	}
}

// atRest checks that nothing is left of a call.
func (w *world) atRest() {
	w.t.Helper()
	if w.thread.InHost() != nil {
		return // nested
	}
	if n := len(w.thread.Activations); n != 0 || w.thread.Top != w.thread.Ctx.StackBase || w.thread.Ctx.PC != 0 {
		w.t.Errorf("after the call: %d activations, %d bytes of stack, PC %#x", n, w.thread.Top-w.thread.Ctx.StackBase, w.thread.Ctx.PC)
	}
}

// want calls an export and checks its single result.
func (w *world) want(inst *vm.Instance, result uint64, export string, args ...uint64) {
	w.t.Helper()
	got, err := w.call(inst, export, args...)
	if err != nil {
		w.t.Errorf("%s%v: %v", export, args, err)
	} else if len(got) != 1 || got[0] != result {
		w.t.Errorf("%s%v = %v, want %d", export, args, got, result)
	}
}

// wantTrap calls an export and checks that it traps.
func (w *world) wantTrap(inst *vm.Instance, code vm.TrapCode, export string, args ...uint64) *vm.TrapError {
	w.t.Helper()
	_, err := w.call(inst, export, args...)
	var trap *vm.TrapError
	if !errors.As(err, &trap) || trap.Code != code {
		w.t.Errorf("%s%v: error %v, want trap %q", export, args, err, code)
		return &vm.TrapError{}
	}
	return trap
}

func dump(code []Instr) (s string) {
	for i, in := range code {
		s += fmt.Sprintf("%4d  %v\n", i, in)
	}
	return s
}

// lowered returns the code of a module's function, entry included.
func lowered(t testing.TB, src string, fn uint32) []Instr {
	t.Helper()
	ts := wasm.NewTypeSpace()
	e := New()
	c := newCode(e, compile(t, ts, src))
	l := e.lowerer()
	if err := l.run(c, fn); err != nil {
		t.Fatal(err)
	}
	return append(l.entry(nil), l.code...)
}
