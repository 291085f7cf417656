package main

import (
	"context"
	"errors"

	"github.com/spindle-wasm/spindle"
)

// errMemory means that the guest gave an address outside its memory.
var errMemory = errors.New("ruby: an address outside the guest's memory")

// alloc is cabi_realloc(0, 0, align, size): new memory in the guest. What is
// passed as an argument belongs to the guest from then on.
func (vm *VM) alloc(ctx context.Context, align, size uint32) (uint32, error) {
	return vm.call(ctx, "cabi_realloc", 0, 0, align, size)
}

// pass copies a string into the guest. CRuby's side wants C strings: the
// length counts a closing zero.
func (vm *VM) pass(ctx context.Context, s string) (addr, n uint32, err error) {
	b := append([]byte(s), 0)
	addr, err = vm.alloc(ctx, 1, uint32(len(b)))
	if err != nil {
		return 0, 0, err
	}
	if !vm.mem.Write(uint64(addr), b) {
		return 0, 0, errMemory
	}
	return addr, uint32(len(b)), nil
}

// passList copies a list of strings: an array of (address, length).
func (vm *VM) passList(ctx context.Context, list []string) (addr, n uint32, err error) {
	addr, err = vm.alloc(ctx, 4, uint32(8*len(list)))
	if err != nil {
		return 0, 0, err
	}
	for i, s := range list {
		p, n, err := vm.pass(ctx, s)
		if err != nil {
			return 0, 0, err
		}
		at := uint64(addr) + uint64(8*i)
		if !vm.mem.PutUint32(at, p) || !vm.mem.PutUint32(at+4, n) {
			return 0, 0, errMemory
		}
	}
	return addr, uint32(len(list)), nil
}

// pair reads two words at an address: a string's (address, length), or a
// tuple's (handle, state).
func (vm *VM) pair(addr uint32) (a, b uint32, err error) {
	a, ok := vm.mem.Uint32(uint64(addr))
	b, ok2 := vm.mem.Uint32(uint64(addr) + 4)
	if !ok || !ok2 {
		return 0, 0, errMemory
	}
	return a, b, nil
}

// call calls an export by the part of its name before the colon; the full names
// spell out WIT types. All parameters and results are 32-bit words.
func (vm *VM) call(ctx context.Context, name string, args ...uint32) (uint32, error) {
	full, ok := vm.names[name]
	if !ok {
		return 0, errors.New("ruby: the module does not export " + name)
	}
	f, err := vm.inst.Func(full)
	if err != nil {
		return 0, err
	}
	slots := make([]uint64, max(len(args), 1))
	for i, a := range args {
		slots[i] = spindle.Slot(a)
	}
	err = f.CallSlots(ctx, slots)
	return spindle.FromSlot[uint32](slots[0]), err
}

// fill takes the memory that is free here and there between what malloc has given out, in pieces from large to small, so that what comes next lies together behind
// all that: in a child it is a few pages of its own in place of many that it would share. What it takes costs address space, for nobody writes to it.
func (vm *VM) fill(ctx context.Context) error {
	const largest, smallest = 1 << 20, 8
	end, err := vm.alloc(ctx, 1, largest)
	if err != nil {
		return err
	}
	for size := uint32(largest); size >= smallest; size /= 2 {
		for {
			addr, err := vm.alloc(ctx, 1, size)
			if err != nil {
				return err
			}
			if addr >= end {
				break
			}
		}
	}
	return nil
}
