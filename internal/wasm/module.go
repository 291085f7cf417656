package wasm

import (
	"slices"
	"sort"
	"sync"
)

// ExternKind is the kind of an import or export (specification: Binary Format, Import Section).
type ExternKind uint8

const (
	ExternFunc ExternKind = iota
	ExternTable
	ExternMemory
	ExternGlobal
	ExternTag
)

var externNames = [...]string{"func", "table", "memory", "global", "tag"}

func (k ExternKind) String() string { return externNames[k] }

// Module is a decoded module. All index spaces hold imports first; types are module-relative. It keeps slices of the bytes it
// was decoded from (names, segments, bodies) and is immutable once validated; any number of goroutines may read it.
type Module struct {
	Bytes []byte // the whole binary

	Types     []SubType
	RecGroups []RecGroup
	TypeIDs   []TypeID // canonical identity of each type index, set by Validate

	Imports  []Import
	Funcs    []uint32 // type index of each function
	Tables   []Table
	Memories []MemoryType
	Tags     []TagType
	Globals  []Global
	Exports  []Export
	Start    int64 // function index, -1 if there is none
	Elems    []ElemSegment
	Datas    []DataSegment
	// DataCount is the value of the data count section, -1 without one.
	DataCount int64
	Bodies    []Body // of the defined functions
	Customs   []CustomSection

	NumImportedFuncs    int
	NumImportedTables   int
	NumImportedMemories int
	NumImportedGlobals  int
	NumImportedTags     int

	// Used are the features that the module needs, found while it is decoded and validated.
	Used Features
	// DeclaredFuncs are the functions that ref.func may name (specification: Validation, Modules, C.refs), sorted. They are those
	// which can escape as references; engines need a reference identity for these only.
	DeclaredFuncs []uint32
	// Enabled are the features that the module was decoded with.
	Enabled Features
	// BranchHints by function index, from the metadata.code.branch_hint section; offsets ascend.
	BranchHints map[uint32][]BranchHint

	opts     DecodeOptions
	space    *TypeSpace
	defs     []*typeDef             // definition of each type index, set with TypeIDs
	declared []uint64               // bit set of DeclaredFuncs
	sections [SectionTag + 1]uint32 // offset of each section's contents, 0 without it

	namesOnce sync.Once
	names     *Names

	exportOrder []uint32 // indices of exports, by name; set by Validate

	aliasOnce sync.Once
	exported  map[uint32]*Export // the first one of each exported function
	imported  []*Import          // of each imported function

	cstackOnce sync.Once
	cstack     CStack
}

// Import is one import; exactly the field that its kind tells is set.
type Import struct {
	Module, Name string
	Kind         ExternKind
	Func         uint32 // type index
	Table        TableType
	Memory       MemoryType
	Global       GlobalType
	Tag          TagType
	Offset       uint32
}

// Export is one export.
type Export struct {
	Name  string
	Kind  ExternKind
	Index uint32
}

// ConstExpr is a constant expression in binary form, `end` included.
type ConstExpr struct {
	Code   []byte
	Offset uint32 // of Code in the module
}

// Table is a table of the module's index space. Init is set for defined tables with an initialiser expression.
type Table struct {
	Type TableType
	Init *ConstExpr
}

// Global is a global of the module's index space. Init is set for defined ones.
type Global struct {
	Type GlobalType
	Init ConstExpr
}

// SegmentMode tells what instantiation does with a segment.
type SegmentMode uint8

const (
	SegmentActive SegmentMode = iota
	SegmentPassive
	SegmentDeclarative
)

// ElemSegment is an element segment: function indices (Funcs), or expressions (Exprs).
type ElemSegment struct {
	Mode   SegmentMode
	Table  uint32
	Start  ConstExpr // where, if active
	Type   ValType
	Funcs  []uint32
	Exprs  []ConstExpr
	IsExpr bool
	Offset uint32
}

// Len returns the number of elements.
func (e *ElemSegment) Len() int {
	if e.IsExpr {
		return len(e.Exprs)
	}
	return len(e.Funcs)
}

// DataSegment is a data segment.
type DataSegment struct {
	Mode   SegmentMode
	Memory uint32
	Start  ConstExpr // where, if active
	Init   []byte
	Offset uint32
}

// Body is the code of a defined function.
type Body struct {
	Locals []LocalRun
	Code   []byte // instructions, with the final end; without the local declarations
	Offset uint32 // of Code in the module
	Start  uint32 // offset of the entry's size field's end (where local declarations begin); branch hints count from here
}

// LocalRun declares Count locals of one type.
type LocalRun struct {
	Count uint32
	Type  ValType
}

// CustomSection is a custom section.
type CustomSection struct {
	Name   string
	Data   []byte
	After  SectionID // the last section other than custom before it; 0 at the start
	Offset uint32
}

// SectionID is a section's id in the binary format.
type SectionID uint8

const (
	SectionCustom SectionID = iota
	SectionType
	SectionImport
	SectionFunction
	SectionTable
	SectionMemory
	SectionGlobal
	SectionExport
	SectionStart
	SectionElement
	SectionCode
	SectionData
	SectionDataCount
	SectionTag
)

// BranchHint says whether the branch at Offset (from the body's Start) is likely taken.
type BranchHint struct {
	Offset uint32
	Likely bool
}

// FuncType returns the type of a function of the index space.
func (m *Module) FuncType(fn uint32) *FuncType { return &m.Types[m.Funcs[fn]].Func }

// TagFuncType returns the function type of a tag of the index space.
func (m *Module) TagFuncType(tag uint32) *FuncType { return &m.Types[m.Tags[tag].Type].Func }

// Export returns the export of that name, nil if there is none.
func (m *Module) Export(name string) *Export {
	if m.exportOrder == nil {
		i := slices.IndexFunc(m.Exports, func(e Export) bool { return e.Name == name })
		if i < 0 {
			return nil
		}
		return &m.Exports[i]
	}
	i := sort.Search(len(m.exportOrder), func(i int) bool { return m.Exports[m.exportOrder[i]].Name >= name })
	if i == len(m.exportOrder) {
		return nil
	}
	e := &m.Exports[m.exportOrder[i]]
	if e.Name != name {
		return nil
	}
	return e
}

// FindExport returns the index of the export of that name and kind.
func (m *Module) FindExport(name string, kind ExternKind) (idx uint32, ok bool) {
	e := m.Export(name)
	if e == nil || e.Kind != kind {
		return 0, false
	}
	return e.Index, true
}
