package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// VM is a Ruby interpreter in an instance of its own. One goroutine at a time.
type VM struct {
	inst    *spindle.Instance
	mem     *spindle.Memory
	funcs   map[string]*spindle.Func // by the short name
	handles handles
}

// Error is a Ruby exception that left the script. Exit is the status if it is
// a SystemExit, otherwise -1.
type Error struct {
	Message string
	Exit    int
}

func (e *Error) Error() string { return e.Message }

// New instantiates the module and boots Ruby, which takes most of a script's
// time. sys supplies WASI.
func New(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, sys spindle.ImportModule) (*VM, error) {
	vm := &VM{funcs: map[string]*spindle.Func{}}
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{
		wasi.ModuleName:  sys,
		"rb-js-abi-host": javascript(mod),
		"canonical_abi":  vm.handles.canonicalABI(),
	}})
	if err != nil {
		return nil, err
	}
	vm.inst = inst
	if err := vm.boot(ctx); err != nil {
		inst.Close()
		return nil, err
	}
	return vm, nil
}

func (vm *VM) boot(ctx context.Context) error {
	var err error
	if vm.mem, err = vm.inst.Memory("memory"); err != nil {
		return err
	}
	for e := range vm.inst.Module().Exports() {
		if e.Kind != spindle.KindFunc {
			continue
		}
		short, _, _ := strings.Cut(e.Name, ":")
		if vm.funcs[short], err = vm.inst.Func(e.Name); err != nil {
			return err
		}
	}
	// What ruby's own command line would get. -e with an empty program keeps it
	// from reading one from standard input.
	addr, n, err := vm.passList(ctx, []string{"ruby", "-EUTF-8", "-e_=0"})
	if err != nil {
		return err
	}
	if _, err := vm.call(ctx, "ruby-init", addr, n); err != nil {
		return err
	}
	// The interpreter is never shut down, so nothing would flush its buffers.
	_, err = vm.Eval(ctx, "$stdout.sync = $stderr.sync = true; nil")
	return err
}

// Close ends the guest.
func (vm *VM) Close() error { return vm.inst.Close() }

// Eval runs Ruby source and gives the last expression's value as inspect shows
// it. An exception is an *Error.
func (vm *VM) Eval(ctx context.Context, source string) (string, error) {
	addr, n, err := vm.pass(ctx, source)
	if err != nil {
		return "", err
	}
	value, err := vm.protected(ctx, "rb-eval-string-protect", addr, n)
	if err != nil {
		return "", err
	}
	defer vm.drop(ctx, value)
	return vm.text(ctx, value, "inspect")
}

// protected calls one of Ruby's functions that give a tuple of a value and a
// state, which is not 0 if an exception is pending.
func (vm *VM) protected(ctx context.Context, name string, args ...uint32) (handle uint32, err error) {
	ret, err := vm.call(ctx, name, args...)
	if err != nil {
		return 0, err
	}
	handle, state, err := vm.pair(ret)
	if err != nil {
		return 0, err
	}
	if state != 0 {
		return 0, vm.exception(ctx)
	}
	return handle, nil
}

// exception takes the pending exception away and describes it.
func (vm *VM) exception(ctx context.Context) error {
	exc, err := vm.call(ctx, "rb-errinfo")
	if err != nil {
		return err
	}
	defer vm.drop(ctx, exc)
	if _, err := vm.call(ctx, "rb-clear-errinfo"); err != nil {
		return err
	}
	class, err := vm.text(ctx, exc, "class")
	if err != nil {
		return err
	}
	e := &Error{Exit: -1}
	if class == "SystemExit" {
		status, err := vm.text(ctx, exc, "status")
		if err != nil {
			return err
		}
		if e.Exit, err = strconv.Atoi(status); err != nil {
			return fmt.Errorf("ruby: exit status %q", status)
		}
	}
	if e.Message, err = vm.text(ctx, exc, "full_message"); err != nil {
		return err
	}
	return e
}

// text is object.method.to_s.
func (vm *VM) text(ctx context.Context, object uint32, method string) (string, error) {
	value, err := vm.send(ctx, object, method)
	if err != nil {
		return "", err
	}
	defer vm.drop(ctx, value)
	str, err := vm.send(ctx, value, "to_s")
	if err != nil {
		return "", err
	}
	defer vm.drop(ctx, str)
	ret, err := vm.call(ctx, "rstring-ptr", str)
	if err != nil {
		return "", err
	}
	addr, n, err := vm.pair(ret)
	if err != nil {
		return "", err
	}
	s, ok := vm.mem.ReadString(uint64(addr), uint64(n))
	if !ok {
		return "", errMemory
	}
	_, err = vm.call(ctx, "cabi_post_rstring-ptr", ret)
	return s, err
}

// send calls a method without arguments.
func (vm *VM) send(ctx context.Context, object uint32, method string) (uint32, error) {
	addr, n, err := vm.pass(ctx, method)
	if err != nil {
		return 0, err
	}
	id, err := vm.call(ctx, "rb-intern", addr, n)
	if err != nil {
		return 0, err
	}
	return vm.protected(ctx, "rb-funcallv-protect", object, id, 0, 0)
}

// drop gives a handle back; the guest may then collect the object. An error
// means that the guest has ended, which the next call reports.
func (vm *VM) drop(ctx context.Context, handle uint32) {
	vm.call(ctx, "canonical_abi_drop_rb-abi-value", vm.handles.remove(handle))
}
