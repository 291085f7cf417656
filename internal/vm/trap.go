package vm

import (
	"errors"
	"fmt"
	"strings"
)

// TrapCode says why guest code trapped (specification: Execution, Instructions).
type TrapCode uint8

const (
	TrapUnreachable TrapCode = iota + 1
	TrapMemoryOutOfBounds
	TrapTableOutOfBounds
	TrapUndefinedElement // call_indirect beyond the table
	TrapUninitializedElement
	TrapIndirectCallType
	TrapIntegerOverflow
	TrapIntegerDivideByZero
	TrapInvalidConversion
	TrapStackExhausted
	TrapNullReference
	TrapNullFunction
	TrapNullException
	TrapNullI31
	TrapCastFailure
	TrapUnalignedAtomic
	TrapExpectedShared
	TrapUncaughtException
	TrapHost        // a host function failed; see Cause
	TrapInterrupted // a context, deadline or Close stopped the guest; see Cause
	TrapArrayOutOfBounds
	TrapNullStructure
	TrapNullArray
	TrapOutOfMemory
	TrapStackOverrun // the C stack in linear memory; see Thread.SetAuxStack
	TrapAllocation   // the GC heap has no room for an object; see Detail
)

// The words are those of the official test suite.
var trapNames = [...]string{
	TrapUnreachable: "unreachable", TrapMemoryOutOfBounds: "out of bounds memory access", TrapTableOutOfBounds: "out of bounds table access",
	TrapUndefinedElement: "undefined element", TrapUninitializedElement: "uninitialized element",
	TrapIndirectCallType: "indirect call type mismatch", TrapIntegerOverflow: "integer overflow",
	TrapIntegerDivideByZero: "integer divide by zero", TrapInvalidConversion: "invalid conversion to integer",
	TrapStackExhausted: "call stack exhausted", TrapNullReference: "null reference", TrapNullFunction: "null function reference",
	TrapNullException: "null exception reference", TrapNullI31: "null i31 reference", TrapCastFailure: "cast failure",
	TrapUnalignedAtomic: "unaligned atomic", TrapExpectedShared: "expected shared memory", TrapUncaughtException: "uncaught exception",
	TrapHost: "host function failed", TrapInterrupted: "interrupted",
	TrapArrayOutOfBounds: "out of bounds array access", TrapNullStructure: "null structure reference", TrapNullArray: "null array reference",
	TrapOutOfMemory: "out of memory", TrapStackOverrun: "stack overrun in linear memory",
	TrapAllocation: "allocation failure",
}

func (c TrapCode) String() string {
	if int(c) < len(trapNames) && trapNames[c] != "" {
		return trapNames[c]
	}
	return fmt.Sprintf("trap(%d)", uint8(c))
}

// TrapError is a trap, with the guest's backtrace.
type TrapError struct {
	Code   TrapCode
	Detail string // more about it, may be empty
	Thread uint32 // tid; 0 is the main thread
	Frames []FrameInfo
	Cause  error // what a host function returned, or a context's cause
}

// FrameInfo is one line of a guest backtrace, readable after the guest is gone.
type FrameInfo struct {
	Module string // the module's name, may be empty
	Func   uint32 // function index
	Name   string // function name
	Offset uint32 // of the instruction in the module's binary
}

func (f FrameInfo) String() string {
	s := f.Name
	if f.Module != "" {
		s = f.Module + "!" + s
	}
	return fmt.Sprintf("%s (func %d, at %#x)", s, f.Func, f.Offset)
}

func (e *TrapError) Error() string {
	s := "trap: " + e.Code.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *TrapError) Unwrap() error { return e.Cause }

// Backtrace formats the frames, innermost first, one a line.
func (e *TrapError) Backtrace() string {
	var b strings.Builder
	for i, f := range e.Frames {
		fmt.Fprintf(&b, "%4d: %s\n", i, f)
	}
	return b.String()
}

// NewTrap makes a trap without a backtrace; Thread.Trap adds it.
func NewTrap(code TrapCode) *TrapError { return &TrapError{Code: code} }

// HostError makes of a host function's error what the call of it on t ends with. Exits, exceptions and traps stay: those of a nested call, or the
// order to stop. Everything else is the cause of a trap.
func HostError(t *Thread, h *HostFunc, err error) error {
	var exit *ExitError
	var exn *Exception
	var trap *TrapError
	switch {
	case errors.As(err, &exit):
		return exit // an ordinary end: nobody wants to know what it is wrapped in
	case err == nil, errors.As(err, &exn) && exn.Store == t.Store, errors.As(err, &trap):
		return err
	}
	return &TrapError{Code: TrapHost, Detail: h.Name, Cause: err}
}

// ExitError says that the guest ended itself (proc_exit) with a code. Code 0 is reported by calls into a guest that exits
// within them; Process.Wait returns nil for it.
type ExitError struct {
	Code uint32
}

func (e *ExitError) Error() string { return fmt.Sprintf("guest exited with code %d", e.Code) }
