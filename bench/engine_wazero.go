package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// wazeroEngine drives wazero, with its interpreter or its compiler.
type wazeroEngine struct {
	name   string
	config wazero.RuntimeConfig
	rt     wazero.Runtime
}

func newWazero(ctx context.Context, name string, config wazero.RuntimeConfig) *wazeroEngine {
	return &wazeroEngine{name: name, config: config, rt: wazero.NewRuntimeWithConfig(ctx, config)}
}

func (e *wazeroEngine) Name() string                    { return e.name }
func (e *wazeroEngine) Close(ctx context.Context) error { return e.rt.Close(ctx) }

// anonymous lets any number of instances of one module live in a runtime.
func anonymous() wazero.ModuleConfig { return wazero.NewModuleConfig().WithName("") }

type wazeroInstance struct {
	mod   api.Module
	run   api.Function
	stack [1]uint64
}

func (e *wazeroEngine) Load(ctx context.Context, wasm []byte) (Instance, error) {
	mod, err := e.rt.InstantiateWithConfig(ctx, wasm, anonymous())
	if err != nil {
		return nil, err
	}
	run := mod.ExportedFunction("run")
	if run == nil {
		return nil, errors.New(`no export "run"`)
	}
	return &wazeroInstance{mod: mod, run: run}, nil
}

func (i *wazeroInstance) Run(ctx context.Context, n int32) (int64, error) {
	i.stack[0] = api.EncodeI32(n)
	err := i.run.CallWithStack(ctx, i.stack[:])
	return int64(i.stack[0]), err
}

func (i *wazeroInstance) Close(ctx context.Context) error { return i.mod.Close(ctx) }

func (e *wazeroEngine) CompileStart(ctx context.Context, wasm []byte) error {
	code, err := e.rt.CompileModule(ctx, wasm)
	if err != nil {
		return err
	}
	mod, err := e.rt.InstantiateModule(ctx, code, anonymous())
	if err != nil {
		return err
	}
	if _, err := mod.ExportedFunction("first").Call(ctx, 1); err != nil {
		return err
	}
	return errors.Join(mod.Close(ctx), code.Close(ctx))
}

func (e *wazeroEngine) Instantiator(ctx context.Context, wasm []byte) (func() error, func() error, error) {
	code, err := e.rt.CompileModule(ctx, wasm)
	if err != nil {
		return nil, nil, err
	}
	config := anonymous()
	step := func() error {
		mod, err := e.rt.InstantiateModule(ctx, code, config)
		if err != nil {
			return err
		}
		return mod.Close(ctx)
	}
	return step, func() error { return code.Close(ctx) }, nil
}

func (e *wazeroEngine) HostToGuest(ctx context.Context, wasm []byte) (func(int) error, func() error, error) {
	env, mod, err := e.withEnv(ctx, wasm)
	if err != nil {
		return nil, nil, err
	}
	add := mod.ExportedFunction("add")
	var stack [2]uint64
	calls := func(n int) error {
		sum := uint32(0)
		for i := range n {
			stack[0], stack[1] = uint64(sum), uint64(uint32(i))
			if err := add.CallWithStack(ctx, stack[:]); err != nil {
				return err
			}
			sum = uint32(stack[0])
		}
		return checkSum(sum, n)
	}
	return calls, func() error { return errors.Join(mod.Close(ctx), env.Close(ctx)) }, nil
}

func (e *wazeroEngine) GuestToHost(ctx context.Context, wasm []byte) (func(int) error, func() error, error) {
	env, mod, err := e.withEnv(ctx, wasm)
	if err != nil {
		return nil, nil, err
	}
	loop := mod.ExportedFunction("loop")
	var stack [1]uint64
	calls := func(n int) error {
		stack[0] = uint64(uint32(n))
		if err := loop.CallWithStack(ctx, stack[:]); err != nil {
			return err
		}
		return checkSum(uint32(stack[0]), n)
	}
	return calls, func() error { return errors.Join(mod.Close(ctx), env.Close(ctx)) }, nil
}

// withEnv instantiates calls.wasm beside the host module it imports. The host
// function has wazero's cheapest form, which works on the stack's slots.
func (e *wazeroEngine) withEnv(ctx context.Context, wasm []byte) (env, mod api.Module, err error) {
	i32 := []api.ValueType{api.ValueTypeI32}
	env, err = e.rt.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			stack[0] = uint64(uint32(stack[0]) + uint32(stack[1]))
		}), append(i32, i32...), i32).
		Export("add").Instantiate(ctx)
	if err != nil {
		return nil, nil, err
	}
	mod, err = e.rt.InstantiateWithConfig(ctx, wasm, anonymous())
	if err != nil {
		return nil, nil, errors.Join(err, env.Close(ctx))
	}
	return env, mod, nil
}

// checkSum tests 0+1+…+(n-1) modulo 2³², which both call benchmarks work out.
func checkSum(got uint32, n int) error {
	if want := uint32(uint64(n) * uint64(n-1) / 2); got != want {
		return fmt.Errorf("the calls' sum is %d, want %d", got, want)
	}
	return nil
}
