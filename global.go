package spindle

import (
	"errors"
	"fmt"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Global is a global variable. It must not be used while another goroutine runs its guest.
type Global struct {
	g *vm.Global
	p *Process
	h *vm.Thread // whose it is
}

func (g *Global) extern(p *Process) (vm.Extern, error) {
	if g.p != p {
		return vm.Extern{}, fmt.Errorf("the global belongs to another Process")
	}
	return vm.Extern{Kind: KindGlobal, Global: g.g}, nil
}

// NewGlobal makes a global for the Process's modules to import, from a value in slot form (a v128 takes two slots). Its
// type must be abstract.
func (p *Process) NewGlobal(t GlobalType, value ...uint64) (*Global, error) {
	if len(value) != t.Type.Slots() {
		return nil, fmt.Errorf("a global of type %s takes %d slots, not %d", t.Type, t.Type.Slots(), len(value))
	}
	if t.Type.IsRef() && t.Type.Heap().Concrete() {
		return nil, fmt.Errorf("a global of the host cannot be of type %s", t.Type)
	}
	v := [2]uint64{}
	copy(v[:], value)
	narrow([]ValueType{t.Type}, v[:])
	if err := p.thread.CheckRefs([]ValueType{t.Type}, v[:]); err != nil {
		return nil, err
	}
	defer p.thread.HostAccess()()
	g, err := p.thread.Store.NewGlobal(t, v[0], v[1])
	if err != nil {
		return nil, err
	}
	return &Global{g, p, p.thread}, nil
}

// Type returns the global's type.
func (g *Global) Type() GlobalType { return g.g.Type }

// Get returns the value in slot form; of a v128, the low half. A reference to an object is a local one (Objects).
func (g *Global) Get() (lo uint64) {
	if !g.g.Type.Type.IsRef() {
		lo, _ = g.g.Get()
		return lo
	}
	g.h.NewLocals([]ValueType{g.g.Type.Type}, func() []uint64 {
		lo, _ = g.g.Get()
		return []uint64{lo}
	})
	return lo
}

// GetV128 returns the value of a v128 global.
func (g *Global) GetV128() V128 {
	lo, hi := g.g.Get()
	return V128{lo, hi}
}

// Set stores a value in slot form; it fails on an immutable global. Of a v128 the high half becomes 0; references must be of the global's type,
// which is checked in a Process with a garbage-collected heap only.
func (g *Global) Set(v uint64) error { return g.set(v, 0) }

// SetV128 stores a vector.
func (g *Global) SetV128(v V128) error { return g.set(v.Lo, v.Hi) }

func (g *Global) set(lo, hi uint64) error {
	if !g.g.Type.Mutable {
		return errors.New("spindle: the global is immutable")
	}
	v := [2]uint64{lo, hi}
	narrow([]ValueType{g.g.Type.Type}, v[:])
	if g.g.Type.Type.IsRef() {
		if err := g.h.CheckRefs([]ValueType{g.g.Type.Type}, v[:]); err != nil {
			return err
		}
		defer g.h.HostAccess()()
	}
	g.g.Set(v[0], v[1])
	return nil
}

// Tag is an exception tag. Every tag has an identity of its own.
type Tag struct {
	tag *vm.Tag
	p   *Process
}

func (t *Tag) extern(p *Process) (vm.Extern, error) {
	return vm.Extern{Kind: KindTag, Tag: t.tag}, nil
}

// NewTag makes a tag for exceptions with fields of the given types.
func (p *Process) NewTag(fields ...ValueType) (*Tag, error) {
	ft := FuncType{Params: fields}
	id, err := p.rt.types.FuncTypeID(ft)
	if err != nil {
		return nil, err
	}
	return &Tag{vm.NewTag(id, ft), p}, nil
}

// Name returns the tag's name in the module that defines it: that of its name section, otherwise of an export. It may be empty.
func (t *Tag) Name() string { return t.tag.Name() }

// Fields returns the types of the exception's fields.
func (t *Tag) Fields() []ValueType { return t.tag.Func.Params }
