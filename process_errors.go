package spindle

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"syscall"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/vm"
)

// RemoteError is an error of another OS process that has no type here that could be made again: its text, and what it wraps.
type RemoteError struct {
	Type   string // its Go type there
	Text   string
	Frames []FrameInfo // of an uncaught exception: where it was thrown
	Causes []error
}

func (e *RemoteError) Error() string { return e.Text }

// Unwrap returns the causes.
func (e *RemoteError) Unwrap() []error { return e.Causes }

// What an error is sent as.
const (
	wireNil = iota
	wireExit
	wireTrap
	wireFork
	wireLink
	wireLimit
	wireTree
	wireFormat
	wireSnapshot
	wireErrno
	wireKnown
	wireOther
	numWires
)

// errStopped is the cause with which the parent's order to stop ends a guest. The parent puts its own in its place.
var errStopped = errors.New("spindle: the parent process stopped it")

// wireKnownErrors are sent as their number. New ones are added at the end.
var wireKnownErrors = []error{errStopped, ErrClosed, ErrBusy, context.Canceled, context.DeadlineExceeded, errors.ErrUnsupported, errImageClosed}

// wireDepth bounds how deep causes go. What lies below is text.
const wireDepth = 16

func writeError(w *image.Encoder, err error, depth int) {
	if err == nil {
		w.Uint(wireNil)
		return
	}
	for k, known := range wireKnownErrors {
		if err == known { //nolint:errorlint // what wraps it is told with it
			w.Uint(wireKnown)
			w.Uint(uint64(k))
			return
		}
	}
	cause := func(err error) { writeError(w, err, depth+1) }
	if depth >= wireDepth {
		err = errors.New(err.Error())
	}
	switch e := err.(type) { //nolint:errorlint // likewise
	case *ExitError:
		w.Uint(wireExit)
		w.Uint(uint64(e.Code))
	case *TrapError:
		w.Uint(wireTrap)
		w.Uint(uint64(e.Code))
		w.String(e.Detail)
		w.Uint(uint64(e.Thread))
		sendFrames(w, e.Frames)
		cause(e.Cause)
	case *ForkError:
		w.Uint(wireFork)
		w.String(e.Reason)
		w.Uint(uint64(e.Thread))
		w.String(e.Func)
		w.String(e.Hook)
		cause(e.Cause)
	case *LinkError:
		w.Uint(wireLink)
		w.String(e.Module)
		w.String(e.Name)
		w.String(e.Msg)
		cause(e.Cause)
	case *LimitError:
		w.Uint(wireLimit)
		w.String(e.Limit)
		w.Uint(e.Max)
		w.Uint(e.Got)
	case *TreeLimitError:
		w.Uint(wireTree)
		w.String(e.Limit)
		w.Int(int64(e.Max))
	case *SnapshotFormatError:
		w.Uint(wireFormat)
		w.Int(e.Offset)
		w.String(e.Msg)
	case *SnapshotError:
		w.Uint(wireSnapshot)
		w.String(e.Reason)
		cause(e.Cause)
	case syscall.Errno:
		w.Uint(wireErrno)
		w.Uint(uint64(e))
	default:
		w.Uint(wireOther)
		w.String(reflect.TypeOf(err).String())
		w.String(err.Error())
		var frames []FrameInfo
		if x, ok := err.(*ExceptionError); ok { //nolint:errorlint // likewise
			frames = x.trace
		}
		sendFrames(w, frames)
		var causes []error
		switch e := err.(type) { //nolint:errorlint // likewise
		case interface{ Unwrap() error }:
			if c := e.Unwrap(); c != nil {
				causes = []error{c}
			}
		case interface{ Unwrap() []error }:
			causes = e.Unwrap()
		}
		if depth >= wireDepth {
			causes = nil
		}
		w.Uint(uint64(len(causes)))
		for _, c := range causes {
			cause(c)
		}
	}
}

func sendFrames(w *image.Encoder, frames []FrameInfo) {
	w.Uint(uint64(len(frames)))
	for _, f := range frames {
		w.String(f.Module)
		w.Uint(uint64(f.Func))
		w.String(f.Name)
		w.Uint(uint64(f.Offset))
	}
}

func receiveFrames(d *image.Decoder) (frames []FrameInfo) {
	for range d.Len(4) {
		frames = append(frames, FrameInfo{Module: d.String(), Func: d.Uint32(), Name: d.String(), Offset: d.Uint32()})
	}
	return frames
}

// readError reads what writeError wrote. What is wrong with it is the Decoder's error.
func readError(d *image.Decoder, depth int) error {
	if depth > wireDepth+1 {
		d.Failf("an error with more than %d causes below each other", wireDepth)
		return nil
	}
	cause := func() error { return readError(d, depth+1) }
	switch d.Below(numWires, "a kind of error") {
	case wireExit:
		return &ExitError{Code: d.Uint32()}
	case wireTrap:
		return &TrapError{Code: vm.TrapCode(d.Below(256, "a trap")), Detail: d.String(), Thread: d.Uint32(), Frames: receiveFrames(d), Cause: cause()}
	case wireFork:
		return &ForkError{Reason: d.String(), Thread: d.Uint32(), Func: d.String(), Hook: d.String(), Cause: cause()}
	case wireLink:
		return &LinkError{Module: d.String(), Name: d.String(), Msg: d.String(), Cause: cause()}
	case wireLimit:
		return &LimitError{Limit: d.String(), Max: d.Uint(), Got: d.Uint()}
	case wireTree:
		return &TreeLimitError{Limit: d.String(), Max: int(d.Int())}
	case wireFormat:
		return &SnapshotFormatError{Offset: d.Int(), Msg: d.String()}
	case wireSnapshot:
		return &SnapshotError{Reason: d.String(), Cause: cause()}
	case wireErrno:
		return syscall.Errno(d.Uint32())
	case wireKnown:
		return wireKnownErrors[d.Below(uint64(len(wireKnownErrors)), "an error")]
	case wireOther:
		e := &RemoteError{Type: d.String(), Text: d.String(), Frames: receiveFrames(d)}
		for range d.Len(1) {
			if c := cause(); c != nil {
				e.Causes = append(e.Causes, c)
			}
		}
		return e
	}
	return nil
}

// StandbyError says that an OS process could not be started, or did not do what it was asked to.
type StandbyError struct {
	Reason string
	Cause  error
}

func (e *StandbyError) Error() string {
	s := "standby process: " + e.Reason
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *StandbyError) Unwrap() error { return e.Cause }

// SignalError says that a signal ended the OS process of a child, and so its guest.
type SignalError struct {
	PID    int
	Signal syscall.Signal
}

func (e *SignalError) Error() string {
	return fmt.Sprintf("the child's process %d was ended by signal %d (%v)", e.PID, int(e.Signal), e.Signal)
}
