package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// abiModule is what the handles are imported under.
const abiModule = "canonical_abi"

// VM is a Ruby interpreter in an instance of its own. One goroutine at a time.
type VM struct {
	inst    *spindle.Instance
	mem     *spindle.Memory
	names   map[string]string // of exports, by the part before the colon; not written to
	handles *handles
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
func New(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, sys spindle.ImportModule, pc spindle.Config) (*VM, error) {
	h := &handles{}
	pc.Imports = spindle.Imports{wasi.ModuleName: sys, "rb-js-abi-host": javascript(mod), abiModule: h}
	inst, err := rt.Instantiate(ctx, mod, pc)
	if err != nil {
		return nil, err
	}
	vm := &VM{inst: inst, names: map[string]string{}, handles: h}
	for e := range mod.Exports() {
		short, _, _ := strings.Cut(e.Name, ":")
		vm.names[short] = e.Name
	}
	if vm.mem, err = inst.Memory("memory"); err == nil {
		err = vm.boot(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, inst.Close())
	}
	return vm, nil
}

// Child is the VM in a fork of vm's Process. Handles that vm had when it was frozen are good in it.
func (vm *VM) Child(p *spindle.Process) (*VM, error) {
	c := &VM{inst: p.Instance(vm.inst.Name()), names: vm.names}
	c.handles, _ = p.Import(abiModule).(*handles)
	if c.inst == nil || c.handles == nil {
		return nil, errors.New("ruby: the Process is not a fork of a VM's")
	}
	var err error
	c.mem, err = c.inst.Memory("memory")
	return c, err
}

func (vm *VM) boot(ctx context.Context) error {
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
	value, err := vm.eval(ctx, source)
	if err != nil {
		return "", err
	}
	defer vm.drop(ctx, value)
	return vm.text(ctx, value, "inspect")
}

// eval runs Ruby source and gives a handle of its value.
func (vm *VM) eval(ctx context.Context, source string) (handle uint32, err error) {
	addr, n, err := vm.pass(ctx, source)
	if err != nil {
		return 0, err
	}
	return vm.protected(ctx, "rb-eval-string-protect", addr, n)
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
	id, err := vm.intern(ctx, method)
	if err != nil {
		return 0, err
	}
	return vm.protected(ctx, "rb-funcallv-protect", object, id, 0, 0)
}

// intern gives the guest's number for a name.
func (vm *VM) intern(ctx context.Context, name string) (uint32, error) {
	addr, n, err := vm.pass(ctx, name)
	if err != nil {
		return 0, err
	}
	return vm.call(ctx, "rb-intern", addr, n)
}

// drop gives a handle back; the guest may then collect the object. An error
// means that the guest has ended, which the next call reports.
func (vm *VM) drop(ctx context.Context, handle uint32) {
	vm.call(ctx, "canonical_abi_drop_rb-abi-value", vm.handles.remove(handle))
}
