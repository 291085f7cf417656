package wasm

import "slices"

// Encodings of the type section (specification: Binary Format, Composite Types, Recursive Types).
const (
	encRec      = 0x4E
	encSubFinal = 0x4F
	encSub      = 0x50
	encArray    = 0x5E
	encStruct   = 0x5F
	encFunc     = 0x60
)

func (d *decoder) typeSection() {
	m := d.m
	n := d.vector("types", 0, d.opts.MaxTypes, 1)
	m.Types = make([]SubType, 0, d.room(n, 3))
	m.RecGroups = make([]RecGroup, 0, cap(m.Types))
	for range n {
		start := uint32(len(m.Types))
		if d.peek() == encRec {
			d.need(d.pos, FeatureGc, "a recursion group")
			d.pos++
			k := d.vector("types", len(m.Types), d.opts.MaxTypes, 2)
			for ; k > 0 && !d.failed(); k-- {
				d.subType()
			}
		} else {
			d.limit(d.pos, "types", uint64(len(m.Types)+1), d.opts.MaxTypes)
			d.subType()
		}
		if d.failed() {
			return
		}
		m.RecGroups = append(m.RecGroups, RecGroup{Start: start, Len: uint32(len(m.Types)) - start})
	}
}

// peek returns the next byte, 0 at the end.
func (d *decoder) peek() byte {
	if d.pos < len(d.code) {
		return d.code[d.pos]
	}
	return 0
}

func (d *decoder) subType() {
	d.item()
	t := SubType{Final: true, Super: -1, Group: uint32(len(d.m.RecGroups))}
	if b := d.peek(); b == encSub || b == encSubFinal {
		d.need(d.pos, FeatureGc, "a subtype")
		d.pos++
		t.Final = b == encSubFinal
		at := d.pos
		switch n := d.count(); {
		case n == 1:
			t.Super = int32(min(d.u32(), maxTypeIndex))
		case n > 1:
			d.limit(at, "supertypes", uint64(n), 1)
		}
	}
	start := d.pos
	switch d.byte() {
	case encFunc:
		t.Kind = CompFunc
		t.Func.Params = d.resultType("parameters", d.opts.MaxParams)
		t.Func.Results = d.resultType("results", d.opts.MaxResults)
		if len(t.Func.Results) > 1 {
			d.need(start, FeatureMultiValue, "a function type with several results")
		}
	case encStruct:
		d.need(start, FeatureGc, "a struct type")
		t.Kind = CompStruct
		n := d.vector("fields", 0, d.opts.MaxFields, 2)
		t.Fields = make([]FieldType, 0, n)
		for ; n > 0 && !d.failed(); n-- {
			t.Fields = append(t.Fields, d.fieldType())
		}
	case encArray:
		d.need(start, FeatureGc, "an array type")
		t.Kind = CompArray
		t.Fields = []FieldType{d.fieldType()}
	default:
		if d.msg == "" {
			d.pos--
			if d.peek() >= 0x80 {
				d.fail(msgLebLong) // the encodings are one-byte LEB128 integers
			}
			d.fail("malformed type")
		}
	}
	d.m.Types = append(d.m.Types, t)
}

func (d *decoder) resultType(name string, most uint32) []ValType {
	n := d.vector(name, 0, most, 1)
	if n == 0 {
		return nil
	}
	// The lists of many types share a backing array.
	if cap(d.valArena)-len(d.valArena) < n {
		d.valArena = make([]ValType, 0, max(n, min(1024, len(d.code)-d.pos)))
	}
	start := len(d.valArena)
	for ; n > 0 && !d.failed(); n-- {
		d.valArena = append(d.valArena, d.checkedValType())
	}
	return slices.Clip(d.valArena[start:])
}

// checkedValType reads a value type of an enabled feature.
func (d *decoder) checkedValType() ValType {
	start := d.pos
	t := d.valType()
	d.needType(start, t)
	return t
}

// elemType reads the type of a table's or segment's elements. WebAssembly 1.0 had funcref only.
func (d *decoder) elemType() ValType {
	start := d.pos
	t := d.refType()
	if t != FuncRef {
		d.needType(start, t)
	}
	return t
}

func (d *decoder) fieldType() FieldType {
	var f FieldType
	switch b := d.peek(); b {
	case byte(I8), byte(I16):
		d.pos++
		f.Type = ValType(b)
	default:
		f.Type = d.checkedValType()
	}
	f.Mutable = d.mutability()
	return f
}

func (d *decoder) mutability() bool {
	b := d.byte()
	if b > 1 && d.msg == "" {
		d.pos--
		d.fail("malformed mutability")
	}
	return b == 1
}

// limits reads the limits of a memory or table (specification: Binary Format, Limits); bit 1 of the flags is the threads proposal's.
func (d *decoder) limits(shareable bool) (l Limits, shared bool) {
	start := d.pos
	flags := d.byte()
	most := byte(5)
	if shareable {
		most = 7
	}
	if flags > most || flags&2 != 0 && !shareable {
		d.pos--
		d.fail("malformed limits flags")
		return l, false
	}
	if flags&4 != 0 {
		d.need(start, FeatureMemory64, "a 64-bit memory or table")
	}
	if flags&2 != 0 {
		d.need(start, FeatureThreads, "a shared memory")
	}
	l.HasMax, l.Is64 = flags&1 != 0, flags&4 != 0
	width := uint(32)
	if d.opts.Features.Has(FeatureMemory64) {
		width = 64
	}
	l.Min = d.bound(width)
	if l.HasMax {
		l.Max = d.bound(width)
	}
	return l, flags&2 != 0
}

// bound reads one of the limits. With 64-bit memories, those of any memory or table may take more bytes.
func (d *decoder) bound(width uint) uint64 {
	const most32 = 5 // bytes of a 32-bit integer
	start := d.pos
	v := d.unsigned(width)
	if d.pos-start > most32 {
		d.need(start, FeatureMemory64, "a limit of more than 32 bits")
	}
	return v
}

func (d *decoder) memoryType() (t MemoryType) {
	t.Limits, t.Shared = d.limits(true)
	return t
}

func (d *decoder) tableType() (t TableType) {
	t.Elem = d.elemType()
	t.Limits, _ = d.limits(false)
	return t
}

func (d *decoder) globalType() (t GlobalType) {
	t.Type = d.checkedValType()
	t.Mutable = d.mutability()
	return t
}

func (d *decoder) tagType() (t TagType) {
	d.need(d.pos, FeatureExceptionHandling, "a tag")
	if d.byte() != 0 && d.msg == "" {
		d.pos--
		d.fail("malformed tag attribute")
	}
	t.Type = d.u32()
	return t
}
