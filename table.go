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
	h *vm.Thread // whose it is
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
	if err := p.thread.CheckRefs([]ValueType{t.Elem}, []uint64{init}); err != nil {
		return nil, err
	}
	defer p.thread.HostAccess()()
	vt, err := p.thread.Store.NewTable(t, vm.Ref(init))
	if err != nil {
		return nil, err
	}
	return &Table{vt, p, p.thread}, nil
}

// Type returns the table's type.
func (t *Table) Type() TableType { return t.t.Type }

// Size returns the number of elements.
func (t *Table) Size() uint64 { return t.t.Size() }

// Get returns an element; ok is false beyond the end. A reference to an object is a local one (Objects).
func (t *Table) Get(i uint64) (ref uint64, ok bool) {
	t.h.NewLocals([]ValueType{t.t.Type.Elem}, func() []uint64 {
		var r vm.Ref
		r, ok = t.t.Get(i)
		ref = uint64(r)
		return []uint64{ref}
	})
	return ref, ok
}

// Set stores an element; it reports false beyond the end. The reference must be of the table's element type: in a Process with a garbage-collected heap
// another one is refused, too; otherwise that is not checked.
func (t *Table) Set(i, ref uint64) bool {
	if t.check(ref) != nil {
		return false
	}
	defer t.h.HostAccess()()
	return t.t.Set(i, vm.Ref(ref))
}

func (t *Table) check(ref uint64) error {
	return t.h.CheckRefs([]ValueType{t.t.Type.Elem}, []uint64{ref})
}

// Grow adds delta elements, all init, and returns the old size; ok is false if the table cannot grow that far, or as of Set.
func (t *Table) Grow(delta, init uint64) (old uint64, ok bool) {
	if t.check(init) != nil {
		return t.Size(), false
	}
	defer t.h.HostAccess()()
	old, ok, _ = t.h.TableGrow(t.t, delta, vm.Ref(init))
	return old, ok
}
