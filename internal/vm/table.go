package vm

import (
	"fmt"

	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Table is a table of references. It belongs to one store.
type Table struct {
	Type wasm.TableType // Elem is canonical
	Desc *TableDesc

	pools   *Pools
	max     uint64
	region  *mem.Region // nil for a table in its store's region
	storage uint64      // elements that fit without moving
	shared  bool        // the elements are a plan's: copy before the first change
}

// maxTable bounds a table's size (as the JS API does, where it is 10,000,000 elements).
const maxTable = 10_000_000

// smallTable is up to how many elements a table lives in its store's region.
const smallTable = 1024

// NewTable makes a table whose elements are all init; the element type is canonical.
func (s *Store) NewTable(t wasm.TableType, init Ref) (*Table, error) {
	limit := uint64(maxTable)
	if t.HasMax {
		limit = min(limit, t.Max)
	}
	if t.Min > limit {
		return nil, &LimitError{Limit: "table elements", Max: limit, Got: t.Min}
	}
	tb := &Table{Type: t, Desc: &TableDesc{}, pools: s.thread.pools, max: limit}
	s.tables = append(s.tables, tb)
	if err := tb.reserve(s, t.Min); err != nil {
		return nil, err
	}
	tb.Desc.Len = t.Min
	if init != NullRef { // fresh storage is zero, and large tables had better not be touched
		fillRefs(tb.Refs(), init)
	}
	return tb, nil
}

// reserve makes room for n elements; existing ones stay.
func (t *Table) reserve(s *Store, n uint64) error {
	if err := t.own(); err != nil {
		return err
	}
	if n <= t.storage {
		return nil
	}
	if t.region == nil && n <= smallTable && t.storage == 0 {
		slots := int(n+1) / 2
		addr, err := s.alloc(slots)
		if err != nil {
			return err
		}
		t.Desc.Base, t.storage = addr, uint64(slots)*2
		return nil
	}
	if t.region == nil {
		// All of the table's possible size is reserved at once: its base then stays.
		r, err := t.pools.get(int(t.max)*4, int(n)*4)
		if err != nil {
			return fmt.Errorf("table: %w", err)
		}
		copy(refsAt(r.Base(), int(t.Desc.Len)), t.Refs())
		t.region, t.Desc.Base = r, r.Base()
	} else if err := t.region.Commit(int(n) * 4); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	t.storage = n
	return nil
}

// own gives the table elements of its own before they change.
func (t *Table) own() error {
	if !t.shared {
		return nil
	}
	r, err := t.pools.get(int(t.max)*4, int(t.Desc.Len)*4)
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	copy(refsAt(r.Base(), int(t.Desc.Len)), t.Refs())
	t.region, t.Desc.Base, t.storage, t.shared = r, r.Base(), t.Desc.Len, false
	return nil
}

// Refs views the elements, for reading.
func (t *Table) Refs() []Ref { return refsAt(t.Desc.Base, int(t.Desc.Len)) }

// Size returns the number of elements.
func (t *Table) Size() uint64 { return t.Desc.Len }

// Get returns an element; ok is false beyond the end.
func (t *Table) Get(i uint64) (r Ref, ok bool) {
	if i >= t.Desc.Len {
		return 0, false
	}
	return t.Refs()[i], true
}

// Set stores an element; it reports false beyond the end (and if the system has no memory for a table that must be copied).
func (t *Table) Set(i uint64, r Ref) bool {
	if i >= t.Desc.Len || t.own() != nil {
		return false
	}
	t.Refs()[i] = r
	return true
}

func (t *Table) close() {
	t.drop()
	*t.Desc = TableDesc{}
}

// drop gives a large table's elements back.
func (t *Table) drop() {
	if t.region != nil {
		t.pools.put(t.region, int(t.storage)*4)
		t.region = nil
	}
}
