package main

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

func sec(id byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return append(appendU32([]byte{id}, uint32(len(body))), body...)
}

func custom(name string, parts ...[]byte) []byte {
	return sec(secCustom, append([][]byte{appendString(nil, name)}, parts...)...)
}

// testObject is an object with an imported memory and function, and one function of its own, whose body is code. relocs are those of
// the code section. Symbol 0 is errno, 1 the imported function, 2 the object's own.
func testObject(code []byte, relocs ...[]byte) []byte {
	entry := append(appendU32(nil, uint32(len(code))), code...)
	symbols := slices.Concat([]byte{3},
		[]byte{symData, flagUndefined}, appendString(nil, "errno"),
		[]byte{symFunction, flagUndefined, 0},
		[]byte{symFunction, 0, 1}, appendString(nil, "own"))
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		sec(secType, []byte{1, 0x60, 0, 0}),
		sec(secImport, []byte{2}, appendString(nil, "env"), appendString(nil, "__linear_memory"), []byte{2, 0, 0},
			appendString(nil, "env"), appendString(nil, "other"), []byte{0, 0}),
		sec(3, []byte{1, 0}),
		sec(secElement, []byte{1, 0, opConst, 1, 0x0b, 2, 0, 1}),
		sec(secCode, []byte{1}, entry),
		custom("linking", []byte{2, subSymbols}, appendU32(nil, uint32(len(symbols))), symbols),
		custom("reloc.CODE", []byte{4, byte(len(relocs))}, slices.Concat(relocs...)))
}

const bodyAt = 2 // in the code section, if the code is shorter than 128

func TestAccesses(t *testing.T) {
	zero := padded(0)
	code := slices.Concat(
		[]byte{0},                           // locals
		[]byte{opConst, 0, opLoad, 2}, zero, // 1: address at 5
		[]byte{opConst, 0, opConst, 9, opStore, 2}, zero, // 10: address at 16
		[]byte{opConst}, zero, // 21: address at 22
		[]byte{opCall}, padded(1), // 27: the object's own function, at 28
		[]byte{0x0b})
	b := testObject(code,
		[]byte{relocAddressLEB, bodyAt + 5, 0, 0},
		[]byte{relocAddressLEB, bodyAt + 16, 0, 0},
		[]byte{relocAddressSLEB, bodyAt + 22, 0, 0},
		[]byte{relocFunctionIndex, bodyAt + 28, 2})
	out, n, err := object(b)
	if err != nil || n != 3 {
		t.Fatal(n, err)
	}
	o := &objectFile{}
	r := &reader{b: out, at: 8}
	for r.at < len(out) {
		s := &section{id: r.byte()}
		s.body = r.bytes(r.u32())
		if s.id == secCustom {
			in := &reader{b: s.body}
			s.name = in.string()
			s.body = s.body[in.at:]
		}
		o.sections = append(o.sections, s)
	}
	// Imported functions: other, load, store, address; then the object's own.
	wantCode := slices.Concat([]byte{0},
		[]byte{opConst, 0, opCall}, padded(1), []byte{opNop},
		[]byte{opConst, 0, opConst, 9, opCall}, padded(2), []byte{opNop},
		[]byte{opCall}, padded(3),
		[]byte{opCall}, padded(4),
		[]byte{0x0b})
	if got := o.find(secCode, "").body[bodyAt:]; !bytes.Equal(got, wantCode) {
		t.Errorf("code\n% x, want\n% x", got, wantCode)
	}
	wantRelocs := []byte{4, 4,
		relocFunctionIndex, bodyAt + 4, 3,
		relocFunctionIndex, bodyAt + 15, 4,
		relocFunctionIndex, bodyAt + 22, 5,
		relocFunctionIndex, bodyAt + 28, 2}
	if got := o.find(secCustom, "reloc.CODE").body; !bytes.Equal(got, wantRelocs) {
		t.Errorf("relocations % x, want % x", got, wantRelocs)
	}
	if got, want := o.find(secElement, "").body, []byte{1, 0, opConst, 1, 0x0b, 2, 0, 4}; !bytes.Equal(got, want) {
		t.Errorf("elements % x, want % x", got, want)
	}
	var symbols []string
	if err := o.eachSymbol(func(i uint32, kind byte, flags uint32, name string, from, to int) {
		symbols = append(symbols, fmt.Sprint(kind, flags, name, o.find(secCustom, "linking").body[from:to]))
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"1 16errno[]", "0 16[]", "0 0own[4]", "0 16[]", "0 16[]", "0 16[]"}; !slices.Equal(symbols, want) {
		t.Errorf("symbols %q, want %q", symbols, want)
	}
	if again, n, err := object(out); err != nil || n != 0 || !bytes.Equal(again, out) {
		t.Errorf("a second time: %d, %v", n, err)
	}
}

// What is not understood is refused, and nothing panics.
func TestRefused(t *testing.T) {
	access := func(opcode ...byte) []byte {
		return testObject(slices.Concat([]byte{0}, opcode, padded(0), []byte{0x0b}), []byte{relocAddressLEB, bodyAt + 1 + byte(len(opcode)), 0, 0})
	}
	for name, b := range map[string][]byte{
		"i64.load":    access(0x29, 3),
		"alignment":   access(opLoad, 0),
		"with addend": testObject(slices.Concat([]byte{0, opLoad, 2}, padded(0), []byte{0x0b}), []byte{relocAddressLEB, bodyAt + 3, 0, 4}),
		"far away":    testObject([]byte{0, 0x0b}, []byte{relocAddressLEB, 100, 0, 0}),
	} {
		if _, _, err := object(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	whole := access(opLoad, 2)
	if _, n, err := object(whole); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for n := range whole {
		object(whole[:n])
		for _, v := range []byte{0, 0x7f, 0xff} {
			b := bytes.Clone(whole)
			b[n] = v
			object(b)
		}
	}
}

func TestArchive(t *testing.T) {
	member := func(name string, b []byte) []byte {
		h := fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "644", len(b))
		return append(append(h, b...), bytes.Repeat([]byte{'\n'}, len(b)%2)...)
	}
	in := slices.Concat([]byte(magic), member("/", []byte("index")), member("text/", []byte("odd")),
		member("a.o/", testObject(slices.Concat([]byte{0, opLoad, 2}, padded(0), []byte{0x0b}), []byte{relocAddressLEB, bodyAt + 3, 0, 0})))
	out, n, err := archive(in)
	if err != nil || n != 1 || !bytes.HasPrefix(out, slices.Concat([]byte(magic), member("text/", []byte("odd")))) {
		t.Fatalf("%d, %v: %q", n, err, out)
	}
	if _, _, err := archive(out); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for n := range in {
		archive(in[:n])
	}
}
