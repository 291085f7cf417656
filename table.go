package spindle

import (
	"fmt"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Table is a table of references, in slot form: see Func.Ref, Process.FuncRef, Process.ExternRef, Process.ExternValue.
// It must not be used while another goroutine runs its guest.
type Table struct {
	t *vm.Table
	p *Process
}

func (t *Table) extern(p *Process) (vm.Extern, error) {
	if t.p != p {
		return vm.Extern{}, fmt.Errorf("the table belongs to another Process")
	}
	return vm.Extern{Kind: KindTable, Table: t.t}, nil
}

// NewTable makes a table for the Process's modules to import, filled with a reference (0 is null). Its element type must be abstract.
func (p *Process) NewTable(t TableType, init uint64) (*Table, error) {
	if !t.Elem.IsRef() || t.Elem.Heap().Concrete() {
		return nil, fmt.Errorf("a table cannot hold elements of type %s", t.Elem)
	}
	if !t.Elem.Nullable() && init == 0 {
		return nil, fmt.Errorf("a table of type %s needs a reference to fill it with", t.Elem)
	}
	vt, err := p.thread.Store.NewTable(t, vm.Ref(init))
	if err != nil {
		return nil, err
	}
	return &Table{vt, p}, nil
}

// Type returns the table's type.
func (t *Table) Type() TableType { return t.t.Type }

// Size returns the number of elements.
func (t *Table) Size() uint64 { return t.t.Size() }

// Get returns an element; ok is false beyond the end.
func (t *Table) Get(i uint64) (ref uint64, ok bool) {
	r, ok := t.t.Get(i)
	return uint64(r), ok
}

// Set stores an element; it reports false beyond the end. The reference must be of the table's element type: that is not checked.
func (t *Table) Set(i, ref uint64) bool { return t.t.Set(i, vm.Ref(ref)) }

// Grow adds delta elements, all init, and returns the old size; ok is false if the table cannot grow that far.
func (t *Table) Grow(delta, init uint64) (old uint64, ok bool) {
	old, ok, _ = t.p.thread.TableGrow(t.t, delta, vm.Ref(init))
	return old, ok
}
