package vm

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// HostFunc is a host function in slot form. Fn reads its arguments from slots and writes its results over them (v128 takes two
// slots, low half first); slots alias the guest stack and are valid only during the call. len(slots) is the larger of both counts.
type HostFunc struct {
	Name    string
	Params  int // slots
	Results int // slots
	Fn      func(t *Thread, slots []uint64) error
	// Restart says that while the function is in Thread.Block, calling it again with the same arguments in a clone of the thread does in the clone what
	// this call will do here.
	Restart bool

	params, results []wasm.ValType // nil if there are no references among them
}

// HostPanicError is the cause of a trap when a host function panicked.
type HostPanicError struct {
	Func  string
	Value any
	Stack []byte
}

func (e *HostPanicError) Error() string {
	return fmt.Sprintf("panic in host function %s: %v", e.Func, e.Value)
}

// Unwrap returns the panic's value if it was an error.
func (e *HostPanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// CallHost calls a host function on behalf of guest code. Engines call it with the exit state and Top set. A panic becomes an
// error. If the thread was told to stop meanwhile, that is the error: the guest's next safepoint may be far. A pause waits
// for that safepoint, as between the host function's return and the guest's use of its results there is none; a dump does not (see Hold).
func (t *Thread) CallHost(f *HostFunc, slots []uint64) (err error) {
	outer := t.inHost.Load()
	if t.heap != nil {
		m := t.beginLocals(f, outer, slots)
		defer t.endLocals(m, f, outer, slots, &err) // runs after endHost: see endLocals
	}
	t.inHost.Store(f)
	if t.Ctx.Flag() != 0 {
		t.settle()
	}
	defer t.endHost(f, outer, &err)
	if t.again != nil {
		return t.callAgain(f, slots)
	}
	return f.Fn(t, slots)
}

// Elapsed returns how long the host call that the thread is in had waited (BlockSince) in the thread that this one is a clone of; 0 if it is not
// made again.
func (t *Thread) Elapsed() time.Duration {
	if t.again == nil {
		return 0
	}
	return t.again.elapsed
}

// Restartable reports whether the host call that the thread stands in may be made again in a clone.
func (t *Thread) Restartable() bool {
	f := t.inHost.Load()
	return f == nil || f.Restart || t.since.Load() != 0
}

// BlockSince is Block for a host function that counts its time from begin, and that may be made again in a clone (HostFunc.Restart).
func (t *Thread) BlockSince(begin time.Time, f func()) error {
	t.since.Store(instantOf(begin))
	err := t.Block(f)
	t.since.Store(0)
	return err
}

func (t *Thread) endHost(f, outer *HostFunc, err *error) {
	t.inHost.Store(outer)
	if v := recover(); v != nil {
		*err = &HostPanicError{Func: f.Name, Value: v, Stack: debug.Stack()}
	}
	if t.Asked() { // after inHost: see Hold
		t.leaveHost(f, outer, err)
	}
}

// hostInFlight reports whether the thread is in a host function, or in guest code that one called. The owner calls it.
func (t *Thread) hostInFlight() bool { return t.nestings > 0 || t.inHost.Load() != nil }

// InHost returns the host function that the thread is in, nil if it is in none, or in guest code that it called.
func (t *Thread) InHost() *HostFunc { return t.inHost.Load() }
