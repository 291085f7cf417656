package spindle

import (
	"iter"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Module is a compiled module: immutable, and shared by all Processes of its Runtime.
type Module struct {
	rt   *Runtime
	m    *wasm.Module
	code vm.Code
}

// Kind is the kind of an import or export.
type Kind = wasm.ExternKind

// The kinds of imports and exports.
const (
	KindFunc   = wasm.ExternFunc
	KindTable  = wasm.ExternTable
	KindMemory = wasm.ExternMemory
	KindGlobal = wasm.ExternGlobal
	KindTag    = wasm.ExternTag
)

type (
	// ValueType is the type of a value.
	ValueType = wasm.ValType
	// FuncType is the type of a function.
	FuncType = wasm.FuncType
	// Limits are those of a memory (in pages) or a table (in elements).
	Limits = wasm.Limits
	// MemoryType is the type of a memory; limits are in pages of 64 KiB.
	MemoryType = wasm.MemoryType
	// TableType is the type of a table.
	TableType = wasm.TableType
	// GlobalType is the type of a global.
	GlobalType = wasm.GlobalType
)

// The value types that host functions use.
var (
	TypeI32       ValueType = wasm.I32
	TypeI64       ValueType = wasm.I64
	TypeF32       ValueType = wasm.F32
	TypeF64       ValueType = wasm.F64
	TypeV128      ValueType = wasm.V128
	TypeFuncRef   ValueType = wasm.FuncRef
	TypeExternRef ValueType = wasm.ExternRef
	TypeAnyRef    ValueType = wasm.AnyRef
	TypeEqRef     ValueType = wasm.EqRef
	TypeI31Ref    ValueType = wasm.I31Ref
	TypeStructRef ValueType = wasm.StructRef
	TypeArrayRef  ValueType = wasm.ArrayRef
	TypeExnRef    ValueType = wasm.ExnRef
)

// ImportType describes an import of a module.
type ImportType struct {
	Module, Name string
	Kind         Kind
	Func         *FuncType // of the kind's field only; likewise below. Concrete heap types are the module's type indices
	Table        *TableType
	Memory       *MemoryType
	Global       *GlobalType
	Tag          *FuncType
}

// ExportType describes an export of a module.
type ExportType struct {
	Name   string
	Kind   Kind
	Func   *FuncType
	Table  *TableType
	Memory *MemoryType
	Global *GlobalType
	Tag    *FuncType
}

// Name returns the module's name from its name section, which may be empty.
func (m *Module) Name() string { return m.m.Names().Module }

// Features returns the features that the module uses.
func (m *Module) Features() Features { return m.m.Used }

// Imports iterates over the module's imports in their order.
func (m *Module) Imports() iter.Seq[ImportType] {
	return func(yield func(ImportType) bool) {
		for i := range m.m.Imports {
			im := &m.m.Imports[i]
			t := ImportType{Module: im.Module, Name: im.Name, Kind: im.Kind}
			switch im.Kind {
			case KindFunc:
				t.Func = &m.m.Types[im.Func].Func
			case KindTable:
				t.Table = &im.Table
			case KindMemory:
				t.Memory = &im.Memory
			case KindGlobal:
				t.Global = &im.Global
			case KindTag:
				t.Tag = &m.m.Types[im.Tag.Type].Func
			}
			if !yield(t) {
				return
			}
		}
	}
}

// Exports iterates over the module's exports in their order.
func (m *Module) Exports() iter.Seq[ExportType] {
	return func(yield func(ExportType) bool) {
		for _, e := range m.m.Exports {
			t := ExportType{Name: e.Name, Kind: e.Kind}
			switch e.Kind {
			case KindFunc:
				t.Func = m.m.FuncType(e.Index)
			case KindTable:
				t.Table = &m.m.Tables[e.Index].Type
			case KindMemory:
				t.Memory = &m.m.Memories[e.Index]
			case KindGlobal:
				t.Global = &m.m.Globals[e.Index].Type
			case KindTag:
				t.Tag = m.m.TagFuncType(e.Index)
			}
			if !yield(t) {
				return
			}
		}
	}
}

// Export returns the export of that name.
func (m *Module) Export(name string) (ExportType, bool) {
	for e := range m.Exports() {
		if e.Name == name {
			return e, true
		}
	}
	return ExportType{}, false
}

// CustomSections iterates over the custom sections: name and contents, which must not be changed.
func (m *Module) CustomSections() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, c := range m.m.Customs {
			if !yield(c.Name, c.Data) {
				return
			}
		}
	}
}
