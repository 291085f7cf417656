package main

import (
	"context"

	"github.com/spindle-wasm/spindle"
)

// spindleEngine drives this tree's interpreter through the public API.
type spindleEngine struct{ rt *spindle.Runtime }

func newSpindle() *spindleEngine { return &spindleEngine{spindle.NewRuntime()} }

func (e *spindleEngine) Name() string                { return "spindle" }
func (e *spindleEngine) Close(context.Context) error { return e.rt.Close() }

type spindleInstance struct {
	inst *spindle.Instance
	run  *spindle.Func
	slot [1]uint64
}

func (e *spindleEngine) Load(ctx context.Context, wasm []byte) (Instance, error) {
	inst, err := e.instantiate(ctx, wasm, nil)
	if err != nil {
		return nil, err
	}
	run, err := inst.Func("run")
	if err != nil {
		return nil, err
	}
	return &spindleInstance{inst: inst, run: run}, nil
}

func (i *spindleInstance) Run(ctx context.Context, n int32) (int64, error) {
	i.slot[0] = spindle.I32(n)
	err := i.run.CallSlots(ctx, i.slot[:])
	return int64(i.slot[0]), err
}

func (i *spindleInstance) Close(context.Context) error { return i.inst.Close() }

func (e *spindleEngine) instantiate(ctx context.Context, wasm []byte, imports spindle.Imports) (*spindle.Instance, error) {
	mod, err := e.rt.Compile(ctx, wasm)
	if err != nil {
		return nil, err
	}
	return e.rt.Instantiate(ctx, mod, spindle.Config{Imports: imports})
}

func (e *spindleEngine) CompileStart(ctx context.Context, wasm []byte) error {
	inst, err := e.instantiate(ctx, wasm, nil)
	if err != nil {
		return err
	}
	if _, err := inst.Call(ctx, "first", 1); err != nil {
		return err
	}
	return inst.Close()
}

func (e *spindleEngine) Instantiator(ctx context.Context, wasm []byte) (func() error, func() error, error) {
	mod, err := e.rt.Compile(ctx, wasm)
	if err != nil {
		return nil, nil, err
	}
	step := func() error {
		inst, err := e.rt.Instantiate(ctx, mod, spindle.Config{})
		if err != nil {
			return err
		}
		return inst.Close()
	}
	return step, func() error { return nil }, nil
}

// callsImports is env.add in slot form, as on wazero's side.
func callsImports() spindle.Imports {
	i32 := spindle.TypeI32
	sig := spindle.FuncType{Params: []spindle.ValueType{i32, i32}, Results: []spindle.ValueType{i32}}
	add := spindle.RawFunc(sig, func(_ *spindle.Caller, s []uint64) { s[0] = uint64(uint32(s[0]) + uint32(s[1])) })
	return spindle.Imports{"env": spindle.HostModule{"add": add}}
}

func (e *spindleEngine) HostToGuest(ctx context.Context, wasm []byte) (func(int) error, func() error, error) {
	inst, err := e.instantiate(ctx, wasm, callsImports())
	if err != nil {
		return nil, nil, err
	}
	add, err := inst.Func("add")
	if err != nil {
		return nil, nil, err
	}
	var slots [2]uint64
	calls := func(n int) error {
		sum := uint32(0)
		for i := range n {
			slots[0], slots[1] = uint64(sum), uint64(uint32(i))
			if err := add.CallSlots(ctx, slots[:]); err != nil {
				return err
			}
			sum = uint32(slots[0])
		}
		return checkSum(sum, n)
	}
	return calls, inst.Close, nil
}

func (e *spindleEngine) GuestToHost(ctx context.Context, wasm []byte) (func(int) error, func() error, error) {
	inst, err := e.instantiate(ctx, wasm, callsImports())
	if err != nil {
		return nil, nil, err
	}
	loop, err := inst.Func("loop")
	if err != nil {
		return nil, nil, err
	}
	var slot [1]uint64
	calls := func(n int) error {
		slot[0] = uint64(uint32(n))
		if err := loop.CallSlots(ctx, slot[:]); err != nil {
			return err
		}
		return checkSum(uint32(slot[0]), n)
	}
	return calls, inst.Close, nil
}
