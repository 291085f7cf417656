package vm

import (
	"errors"
	"fmt"
)

// RefErrorKind says what is wrong with a use of a reference.
type RefErrorKind uint8

// The kinds.
const (
	RefNull      RefErrorKind = iota // the reference is null
	RefType                          // the object, or the value, is of another type
	RefBounds                        // there is no such field or element
	RefDead                          // the reference is no local one of the thread (any more), or the handle was released
	RefImmutable                     // the field cannot be changed
	RefThread                        // the handle is of another thread's object
)

func (k RefErrorKind) String() string {
	return [...]string{"null reference", "wrong type", "out of bounds", "dead reference", "immutable", "another thread's object"}[k]
}

// RefError says why host code cannot do something with an object.
type RefError struct {
	Kind RefErrorKind
	Msg  string // more about it, may be empty
}

func (e *RefError) Error() string {
	if e.Msg == "" {
		return e.Kind.String()
	}
	return e.Kind.String() + ": " + e.Msg
}

func refErrorf(k RefErrorKind, format string, args ...any) error {
	return &RefError{k, fmt.Sprintf(format, args...)}
}

// ErrHeapClosed is returned to host code that uses a heap whose Process is closed.
var ErrHeapClosed = errors.New("the heap is closed")
