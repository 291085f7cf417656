package wasm

import "fmt"

// The errors about a module say where: at which Offset of its bytes, and in which function, by index; Func is -1 outside of
// function bodies.

// MalformedError says that bytes are not a module in the binary format.
type MalformedError struct {
	Func   int64
	Offset uint32
	Msg    string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed module: %s (%s)", e.Msg, place(e.Func, e.Offset))
}

// ValidationError says that a well-formed module breaks a rule of validation.
type ValidationError struct {
	Func   int64
	Offset uint32 // of the instruction, or else of the item (type, import, export, …)
	Msg    string
}

func (e *ValidationError) Error() string {
	return fmt.Sprintf("invalid module: %s (%s)", e.Msg, place(e.Func, e.Offset))
}

// LimitError says that a module asks for more than this implementation takes (specification: Appendix, Implementation Limitations).
type LimitError struct {
	Limit  string // name of the limit
	Max    uint64
	Got    uint64
	Func   int64
	Offset uint32
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("implementation limit: %s is %d, at most %d are supported (%s)", e.Limit, e.Got, e.Max, place(e.Func, e.Offset))
}

// FeatureError says that a module uses a feature that is switched off, or one that Spindle refuses by name.
type FeatureError struct {
	Feature string
	What    string // the construct that needs it
	Func    int64
	Offset  uint32
}

func (e *FeatureError) Error() string {
	return fmt.Sprintf("%s needs the feature %s, which is not enabled (%s)", e.What, e.Feature, place(e.Func, e.Offset))
}

func place(fn int64, offset uint32) string {
	if fn >= 0 {
		return fmt.Sprintf("function %d, at offset %#x", fn, offset)
	}
	return fmt.Sprintf("at offset %#x", offset)
}

func malformed(offset uint32, format string, args ...any) *MalformedError {
	return &MalformedError{Func: -1, Offset: offset, Msg: fmt.Sprintf(format, args...)}
}

// InFunc puts the function into an error that an InstrReader returned for its body.
func InFunc(err error, fn uint32) error {
	switch e := err.(type) {
	case *MalformedError:
		e.Func = int64(fn)
	case *LimitError:
		e.Func = int64(fn)
	case *FeatureError:
		e.Func = int64(fn)
	}
	return err
}

// at puts an offset into an error that has none yet.
func at(err error, offset uint32) error {
	var p *uint32
	switch e := err.(type) {
	case *ValidationError:
		p = &e.Offset
	case *LimitError:
		p = &e.Offset
	case *FeatureError:
		p = &e.Offset
	}
	if p != nil && *p == 0 {
		*p = offset
	}
	return err
}
