package wasm

import "fmt"

// MalformedError says that bytes are not a module in the binary format.
type MalformedError struct {
	Offset uint32 // in the module
	Msg    string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed module: %s (at offset %#x)", e.Msg, e.Offset)
}

// ValidationError says that a well-formed module breaks a rule of validation.
type ValidationError struct {
	Func   int64  // function index, -1 outside of functions
	Offset uint32 // in the module: of the instruction, or else of the item or its section
	Msg    string
}

func (e *ValidationError) Error() string {
	if e.Func >= 0 {
		return fmt.Sprintf("invalid module: %s (function %d, at offset %#x)", e.Msg, e.Func, e.Offset)
	}
	return fmt.Sprintf("invalid module: %s (at offset %#x)", e.Msg, e.Offset)
}

// LimitError says that a module asks for more than this implementation takes (specification, appendix A.2).
type LimitError struct {
	Limit  string // name of the limit
	Max    uint64
	Got    uint64
	Offset uint32
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("implementation limit: %s is %d, at most %d are supported (at offset %#x)", e.Limit, e.Got, e.Max, e.Offset)
}

// FeatureError says that a module uses a feature that is switched off, or one that Spindle refuses by name.
type FeatureError struct {
	Feature string
	What    string // the construct that needs it
	Offset  uint32
}

func (e *FeatureError) Error() string {
	return fmt.Sprintf("%s needs the feature %s, which is not enabled (at offset %#x)", e.What, e.Feature, e.Offset)
}
