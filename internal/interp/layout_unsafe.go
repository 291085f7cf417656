package interp

import (
	"unsafe"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// op is an instruction of the interpreter; see gen for the list.
type op uint16

//go:generate go run ./gen

// exit says why run returned to the driver.
type exit uint64

const (
	exitCold   exit = iota // the instruction at PC is the driver's: see handlers
	exitPoll               // a backward branch to PC met a flag
	exitStack              // the call at PC met the stack limit: it needs the stack up to Arg
	exitBounds             // the access at PC was out of bounds for a current memory of Arg bytes
	exitTrap               // exitTrap + trap code
)

// Layout of the descriptors of package vm, as the loop reads them.
const (
	funcDescSize    = unsafe.Sizeof(vm.FuncDesc{})
	offFuncType     = unsafe.Offsetof(vm.FuncDesc{}.Type)
	offFuncInstance = unsafe.Offsetof(vm.FuncDesc{}.Instance)
	offTableLen     = unsafe.Offsetof(vm.TableDesc{}.Len)
	offMemLen       = unsafe.Offsetof(vm.MemDesc{}.Len)
	offMemBase      = unsafe.Offsetof(vm.MemDesc{}.Base)
	ptrSize         = unsafe.Sizeof(uintptr(0))
	globalSize      = vm.GlobalSize
	displayShift    = vm.DisplayShift
	displayKind     = vm.DisplayKind
)
