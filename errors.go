package spindle

import (
	"errors"
	"fmt"

	"github.com/spindle-wasm/spindle/internal/interp"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

type (
	// TrapError says that guest code trapped, or was stopped, with the guest's backtrace by name.
	TrapError = vm.TrapError
	// ExitError says that the guest ended itself (proc_exit) with a code. Code 0 is reported by calls into a guest that exits
	// within them; Process.Wait returns nil for it.
	ExitError = vm.ExitError
	// TrapCode says why.
	TrapCode = vm.TrapCode
	// FrameInfo is one line of a guest backtrace.
	FrameInfo = vm.FrameInfo
	// LinkError says which import could not be satisfied, and why.
	LinkError = vm.LinkError
	// LimitError says which limit of the Runtime or Config was reached.
	LimitError = vm.LimitError
	// HostPanicError is the cause of a trap when a host function panicked.
	HostPanicError = vm.HostPanicError
	// BugError says that an invariant of Spindle's own broke. It ends the Process that met it, and no other one.
	BugError = interp.BugError
	// MalformedError says where bytes are not a WebAssembly module.
	MalformedError = wasm.MalformedError
	// ValidationError says where a module breaks a rule of validation.
	ValidationError = wasm.ValidationError
	// ImplementationLimitError says that a module is larger in some respect than this implementation takes.
	ImplementationLimitError = wasm.LimitError
	// FeatureError says that a module needs a feature that is switched off.
	FeatureError = wasm.FeatureError
	// SyntaxError says where a text is not a WebAssembly module in the text format.
	SyntaxError = wat.SyntaxError
)

// The reasons of traps.
const (
	TrapUnreachable          = vm.TrapUnreachable
	TrapMemoryOutOfBounds    = vm.TrapMemoryOutOfBounds
	TrapTableOutOfBounds     = vm.TrapTableOutOfBounds
	TrapUndefinedElement     = vm.TrapUndefinedElement
	TrapUninitializedElement = vm.TrapUninitializedElement
	TrapIndirectCallType     = vm.TrapIndirectCallType
	TrapIntegerOverflow      = vm.TrapIntegerOverflow
	TrapIntegerDivideByZero  = vm.TrapIntegerDivideByZero
	TrapInvalidConversion    = vm.TrapInvalidConversion
	TrapStackExhausted       = vm.TrapStackExhausted
	TrapNullReference        = vm.TrapNullReference
	TrapNullFunction         = vm.TrapNullFunction
	TrapNullException        = vm.TrapNullException
	TrapNullI31              = vm.TrapNullI31
	TrapCastFailure          = vm.TrapCastFailure
	TrapUnalignedAtomic      = vm.TrapUnalignedAtomic
	TrapExpectedShared       = vm.TrapExpectedShared
	TrapUncaughtException    = vm.TrapUncaughtException
	TrapHost                 = vm.TrapHost
	TrapInterrupted          = vm.TrapInterrupted
	TrapArrayOutOfBounds     = vm.TrapArrayOutOfBounds
	TrapNullStructure        = vm.TrapNullStructure
	TrapNullArray            = vm.TrapNullArray
	TrapOutOfMemory          = vm.TrapOutOfMemory
	TrapStackOverrun         = vm.TrapStackOverrun
	TrapAllocation           = vm.TrapAllocation
)

var (
	// ErrBusy is returned by a call while another goroutine's call runs in the same Process; see Func.Call for what to do instead.
	ErrBusy = vm.ErrThreadBusy
	// ErrClosed is the cause of what ends because a Process or Runtime was closed.
	ErrClosed = errors.New("spindle: closed")
)

// ExceptionError says that an exception of the guest left it uncaught. A host function that passes it to Caller.Fail lets
// it go on into the guest frames below.
type ExceptionError struct {
	store  *vm.Store // that of the thread that threw it
	fields []uint64
	tag    *Tag
	trace  []FrameInfo
}

func (e *ExceptionError) Error() string { return "uncaught exception " + e.tag.tag.Format(e.fields) }

// Tag returns the exception's tag.
func (e *ExceptionError) Tag() *Tag { return e.tag }

// Fields returns the exception's fields in slot form. References among them are good until guest code runs again.
func (e *ExceptionError) Fields() []uint64 { return e.fields }

// Backtrace returns where it was thrown, innermost frame first.
func (e *ExceptionError) Backtrace() []FrameInfo { return e.trace }

// wrapError turns what an engine or vm returned into the API's errors.
func (p *Process) wrapError(err error) error {
	if err == nil {
		return nil
	}
	if t, ok := err.(*vm.TrapError); ok { //nolint:errorlint // exactly this layer's error
		var exit *ExitError
		if errors.As(t.Cause, &exit) {
			return exit // of a nested call, or of another thread
		}
		return t
	}
	if x, ok := err.(*vm.Exception); ok { //nolint:errorlint // likewise
		tag, fields := x.Store.TakeException(x.Ref)
		return &ExceptionError{store: x.Store, fields: fields, tag: &Tag{tag: tag, p: p}, trace: x.Trace}
	}
	return err
}

// ForkError says why a Process cannot be frozen or forked. Nothing has changed then.
type ForkError struct {
	Reason string
	Thread uint32 // the thread that is in the way, if Reason is about one
	Func   string // the host function that it is in, if that is why
	Hook   string // the hook that refused, or failed
	Cause  error
}

func (e *ForkError) Error() string {
	s := "fork: " + e.Reason
	if e.Func != "" {
		s = fmt.Sprintf("fork: thread %d is in host function %s: %s", e.Thread, e.Func, e.Reason)
	}
	if e.Hook != "" {
		s = fmt.Sprintf("fork: %s: %s", e.Hook, e.Reason)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ForkError) Unwrap() error { return e.Cause }
