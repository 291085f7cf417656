package main

import (
	"bytes"
	"errors"
	"fmt"
)

// Section numbers, and what relocations and symbols are made of: see the tool conventions' Linking.md.
const (
	secCustom, secType, secImport, secElement, secCode = 0, 1, 2, 9, 10

	relocFunctionIndex = 0
	relocAddressLEB    = 3
	relocAddressSLEB   = 4

	symFunction, symData, symGlobal, symSection, symTag, symTable = 0, 1, 2, 3, 4, 5
	flagUndefined, flagExplicitName                               = 0x10, 0x40

	subComdat, subSymbols = 7, 8
	comdatFunction        = 1

	opCall, opNop, opLoad, opStore, opConst = 0x10, 0x01, 0x28, 0x36, 0x41
)

type section struct {
	id   byte
	name string // of a custom section
	body []byte // without the name
}

// The functions that stand for accesses; their indices are those of the fields of objectFile.added.
var replacements = []struct {
	name      string
	signature []byte // an entry of the type section
}{
	{"__spt_errno_load", []byte{0x60, 1, 0x7f, 1, 0x7f}},
	{"__spt_errno_store", []byte{0x60, 2, 0x7f, 0x7f, 0}},
	{"__spt_errno_address", []byte{0x60, 0, 1, 0x7f}},
}

type objectFile struct {
	sections  []*section
	functions uint32 // imported
	symbols   uint32
	errno     uint32 // its symbol
}

// object converts one object file. An object without accesses is returned as it is.
func object(b []byte) (out []byte, accesses int, err error) {
	o, err := parse(b)
	if err != nil || o == nil {
		return b, 0, err
	}
	code, relocs := o.find(secCode, ""), o.find(secCustom, "reloc.CODE")
	if data := o.find(secCustom, "reloc.DATA"); data != nil {
		if n, err := o.relocate(nil, data); err != nil || n != 0 {
			return nil, 0, errors.Join(err, fmt.Errorf("%d pieces of data refer to errno", n))
		}
	}
	if code == nil || relocs == nil {
		return b, 0, nil
	}
	if accesses, err = o.relocate(code, relocs); err != nil || accesses == 0 {
		return b, 0, err
	}
	for _, step := range []func() error{o.addImports, o.raiseElements, o.addSymbols} {
		if err := step(); err != nil {
			return nil, 0, err
		}
	}
	return o.encode(), accesses, nil
}

// parse gives nil if the object does not refer to errno, or defines it.
func parse(b []byte) (*objectFile, error) {
	o := &objectFile{}
	r := &reader{b: b, at: 8}
	for r.at < len(b) && r.err == nil {
		s := &section{id: r.byte()}
		s.body = bytes.Clone(r.bytes(r.u32()))
		if s.id == secCustom {
			in := &reader{b: s.body}
			s.name = in.string()
			if in.err != nil {
				return nil, in.err
			}
			s.body = s.body[in.at:]
		}
		o.sections = append(o.sections, s)
	}
	if r.err != nil {
		return nil, r.err
	}
	known := false
	err := o.eachSymbol(func(index uint32, kind byte, flags uint32, name string, _, _ int) {
		o.symbols = index + 1
		if kind == symData && name == "errno" && flags&flagUndefined != 0 {
			o.errno, known = index, true
		}
	})
	if err != nil || !known {
		return nil, err
	}
	imports := o.find(secImport, "")
	if imports == nil || o.find(secType, "") == nil {
		return nil, errors.New("refers to errno and has no imports or no types")
	}
	in := &reader{b: imports.body}
	for n := in.u32(); n > 0 && in.err == nil; n-- {
		in.string()
		in.string()
		switch kind := in.byte(); kind {
		case 0: // function
			in.u32()
			o.functions++
		case 1, 2: // table, memory
			if kind == 1 {
				in.byte()
			}
			if flags := in.u32(); flags&1 != 0 {
				in.u32()
			}
			in.u32()
		case 3, 4: // global, tag
			in.byte()
			in.u32()
		default:
			return nil, fmt.Errorf("import of kind %d", kind)
		}
	}
	return o, in.err
}

func (o *objectFile) find(id byte, name string) *section {
	for _, s := range o.sections {
		if s.id == id && s.name == name {
			return s
		}
	}
	return nil
}

// eachSymbol calls f for each entry of the symbol table; from and to are where a defined function's index stands in the linking section.
func (o *objectFile) eachSymbol(f func(index uint32, kind byte, flags uint32, name string, from, to int)) error {
	s := o.find(secCustom, "linking")
	if s == nil {
		return nil
	}
	r := &reader{b: s.body}
	r.u32() // version
	for r.at < len(r.b) && r.err == nil {
		kind, size := r.byte(), r.u32()
		if kind != subSymbols {
			r.bytes(size)
			continue
		}
		n := r.u32()
		for i := uint32(0); i < n && r.err == nil; i++ {
			kind, flags := r.byte(), r.u32()
			var name string
			from, to := 0, 0
			switch kind {
			case symData:
				name = r.string()
				if flags&flagUndefined == 0 {
					r.u32()
					r.u32()
					r.u32()
				}
			case symSection:
				r.u32()
			case symFunction, symGlobal, symTag, symTable:
				at := r.at
				r.u32()
				if kind == symFunction && flags&flagUndefined == 0 {
					from, to = at, r.at
				}
				if flags&flagUndefined == 0 || flags&flagExplicitName != 0 {
					name = r.string()
				}
			default:
				return fmt.Errorf("symbol of kind %d", kind)
			}
			if r.err == nil {
				f(i, kind, flags, name, from, to)
			}
		}
	}
	return r.err
}

func (o *objectFile) encode() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range o.sections {
		body := s.body
		if s.id == secCustom {
			body = append(appendString(nil, s.name), body...)
		}
		out = append(appendU32(append(out, s.id), uint32(len(body))), body...)
	}
	return out
}
