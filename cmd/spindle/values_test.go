package main

import (
	"math"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// TestParseMount checks the forms of --dir.
func TestParseMount(t *testing.T) {
	for _, c := range []struct {
		in, host, guest string
		ro              bool
	}{
		{".", ".", ".", false},
		{"/srv:ro", "/srv", "/srv", true},
		{"/srv::/data", "/srv", "/data", false},
		{"/srv::/data:ro", "/srv", "/data", true},
		{`C:\work::/w`, `C:\work`, "/w", false},
		{`C:\work:ro`, `C:\work`, `C:\work`, true},
		{"a:b", "a:b", "a:b", false},
	} {
		m, err := parseMount(c.in)
		if err != nil || m.Host != c.host || m.Guest != c.guest || m.ReadOnly != c.ro {
			t.Errorf("%q: %+v, %v; want %+v", c.in, m, err, c)
		}
	}
	for _, in := range []string{"", "::", "::/x", "x::", ":ro"} {
		if m, err := parseMount(in); err == nil {
			t.Errorf("%q: %+v, want an error", in, m)
		}
	}
}

// TestSizes checks the forms of sizes, and that they print as what reads back.
func TestSizes(t *testing.T) {
	for in, want := range map[string]sizeFlag{
		"1": 1, "65536": 65536, "64K": 65536, "64KiB": 65536, "64kib": 65536, "1.5 MiB": 3 << 19, "2GB": 2e9, "1G": 1 << 30, "3T": 3 << 40, "7B": 7,
	} {
		var f sizeFlag
		if err := f.Set(in); err != nil || f != want {
			t.Errorf("%q: %d, %v; want %d", in, uint64(f), err, uint64(want))
		}
		if f&(f-1) == 0 {
			var g sizeFlag
			if err := g.Set(f.String()); err != nil || g != f {
				t.Errorf("%q prints as %q, which reads as %d, %v", in, f.String(), uint64(g), err)
			}
		}
	}
	for _, in := range []string{"", "0", "-1", "K", "1X", "nan", "inf", "1e40", "9223372036854775808"} {
		var f sizeFlag
		if err := f.Set(in); err == nil {
			t.Errorf("%q: %d, want an error", in, uint64(f))
		}
	}
}

// TestParseValue checks the edges of arguments' types.
func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		t    spindle.ValueType
		in   string
		want uint64
		bad  bool
	}{
		{t: spindle.TypeI32, in: "-2147483648", want: 1 << 31},
		{t: spindle.TypeI32, in: "4294967295", want: math.MaxUint32},
		{t: spindle.TypeI32, in: "-1", want: math.MaxUint32}, // no sign extension into the upper half
		{t: spindle.TypeI32, in: "-2147483649", bad: true},
		{t: spindle.TypeI32, in: "1.0", bad: true},
		{t: spindle.TypeI64, in: "0xffffffffffffffff", want: math.MaxUint64},
		{t: spindle.TypeI64, in: "18446744073709551616", bad: true},
		{t: spindle.TypeF32, in: "0.1", want: uint64(math.Float32bits(0.1))},
		{t: spindle.TypeF64, in: "-0", want: 1 << 63},
		{t: spindle.TypeF64, in: "0x1p-1074", want: 1},
		{t: spindle.TypeF32, in: "1e39", bad: true},
		{t: spindle.TypeExternRef, in: "null"},
		{t: spindle.TypeExternRef, in: "0", bad: true},
	} {
		got, err := parseValue(c.t, c.in)
		switch {
		case c.bad:
			if err == nil {
				t.Errorf("%v %q: %#x, want an error", c.t, c.in, got)
			}
		case err != nil || len(got) != 1 || got[0] != c.want:
			t.Errorf("%v %q: %#x, %v; want %#x", c.t, c.in, got, err, c.want)
		}
	}
}
