package wat

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLiterals checks numbers against the rules of the text format.
func TestLiterals(t *testing.T) {
	for _, c := range []struct {
		in     string
		width  int
		bits   uint64
		status numStatus
	}{
		{"0", 32, 0, numOK},
		{"-0", 32, 1 << 31, numOK},
		{"1", 32, 0x3f800000, numOK},
		{"1.", 32, 0x3f800000, numOK},
		{"1.e0", 32, 0x3f800000, numOK},
		{"1_0.0_0e-0_1", 32, 0x3f800000, numOK},
		{"0x1.8p1", 64, 0x4008000000000000, numOK},
		{"0x.8p1", 64, 0, numBad},
		{"0x1.p-1", 64, 0x3fe0000000000000, numOK},
		{"0xA.fP-0_1", 64, 0x4015e00000000000, numOK},
		{"inf", 64, 0x7ff0000000000000, numOK},
		{"-inf", 32, 0xff800000, numOK},
		{"nan", 32, 0x7fc00000, numOK},
		{"-nan:0x1", 32, 0xff800001, numOK},
		{"nan:0x7f_ffff", 32, 0x7fffffff, numOK},
		{"nan:0x0", 32, 0, numTooBig},
		{"nan:0x800000", 32, 0, numTooBig},
		{"nan:0x", 32, 0, numBad},
		{"0x1p128", 32, 0, numTooBig},
		{"0x1.fffffep127", 32, 0x7f7fffff, numOK},
		{"0x1.fffffefffffffffp127", 32, 0x7f7fffff, numOK},
		{"0x1.ffffffp127", 32, 0, numTooBig},
		{"0x1p-149", 32, 1, numOK},
		{"0x1p-150", 32, 0, numOK},
		{"0x1.0000000000001p-150", 32, 1, numOK},
		{"1e-400", 64, 0, numOK},
		{"1e400", 64, 0, numTooBig},
		{"1e99999999999999999999", 64, 0, numTooBig},
		// Halfway cases that two roundings get wrong.
		{"0x1.000001000000001p0", 32, 0x3f800001, numOK},
		{"16777217.0000000000000000000000000001", 32, 0x4b800001, numOK},
		{"16777217", 32, 0x4b800000, numOK},
		{"1_", 32, 0, numBad},
		{"_1", 32, 0, numBad},
		{"1__0", 32, 0, numBad},
		{"1._0", 32, 0, numBad},
		{"1e", 32, 0, numBad},
		{"1e_0", 32, 0, numBad},
		{"0x", 32, 0, numBad},
		{"+", 32, 0, numBad},
		{"infinity", 32, 0, numBad},
		{"0b1", 32, 0, numBad},
		{"1p0", 32, 0, numBad},
		{"0X1", 32, 0, numBad},
	} {
		bits, status := parseFloat([]byte(c.in), c.width)
		if status != c.status || status == numOK && bits != c.bits {
			t.Errorf("%s as f%d: got %#x, %d, want %#x, %d", c.in, c.width, bits, status, c.bits, c.status)
		}
	}
	for _, c := range []struct {
		in     string
		width  uint
		want   uint64
		status numStatus
	}{
		{"255", 8, 255, numOK}, {"256", 8, 0, numTooBig}, {"-128", 8, 128, numOK}, {"-129", 8, 0, numTooBig},
		{"+127", 8, 127, numOK}, {"+128", 8, 0, numTooBig}, {"0xff", 8, 255, numOK}, {"-0x80", 8, 128, numOK},
		{"0xffff_ffff_ffff_ffff", 64, 1<<64 - 1, numOK}, {"0x1_0000_0000_0000_0000", 64, 0, numTooBig},
		{"-0x8000000000000000", 64, 1 << 63, numOK}, {"-9223372036854775809", 64, 0, numTooBig},
		{"", 32, 0, numBad}, {"-", 32, 0, numBad}, {"0x", 32, 0, numBad}, {"1a", 32, 0, numBad}, {"--1", 32, 0, numBad},
	} {
		got, status := parseInt([]byte(c.in), c.width)
		if status != c.status || got != c.want {
			t.Errorf("%s as i%d: got %#x, %d, want %#x, %d", c.in, c.width, got, status, c.want, c.status)
		}
	}
}

// TestFloatsPrint: what the printer makes of a float reads back as the same bits.
func TestFloatsPrint(t *testing.T) {
	seed := uint64(1)
	for i := range 200_000 {
		seed = seed*6364136223846793005 + 1442695040888963407
		bits := seed
		switch i % 4 {
		case 1:
			bits >>= seed & 63 // small patterns: subnormals
		case 2:
			bits |= 0x7ff0000000000000
		case 3:
			bits = seed &^ (1<<(seed&63) - 1) // short mantissas
		}
		for _, width := range []int{32, 64} {
			b := bits & (math.MaxUint64 >> (64 - width))
			text, _, _ := strings.Cut(formatFloat(b, width), " ")
			if got, status := parseFloat([]byte(text), width); status != numOK || got != b {
				t.Fatalf("f%d %#x prints as %s, which reads as %#x (%d)", width, b, text, got, status)
			}
		}
	}
}

// TestNaNPatterns checks the patterns of the script language (specification: Execution, NaN Propagation).
func TestNaNPatterns(t *testing.T) {
	for _, c := range []struct {
		bits                  uint64
		width                 int
		canonical, arithmetic bool
	}{
		{0x7fc00000, 32, true, true}, {0xffc00000, 32, true, true}, {0x7fc00001, 32, false, true}, {0x7f800001, 32, false, false},
		{0x7f800000, 32, false, false}, {0x3f800000, 32, false, false}, {0x7ff8000000000000, 64, true, true},
		{0xfff8000000000001, 64, false, true}, {0x7ff4000000000000, 64, false, false}, {0, 64, false, false},
	} {
		got := fmt.Sprint(CanonicalNaN.Matches(c.bits, c.width), ArithmeticNaN.Matches(c.bits, c.width))
		if want := fmt.Sprint(c.canonical, c.arithmetic); got != want {
			t.Errorf("%#x: got %s, want %s", c.bits, got, want)
		}
	}
}

// TestLongWords: messages show the beginning of what may be megabytes long.
func TestLongWords(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	for _, text := range []string{
		`(func ` + strings.Repeat("a", 100_000) + `)`,
		`(func "` + long + `")`,
		`(func $"` + long + `" (local.get $"` + long + `"))`,
		`(func (call $"` + long + `"))`,
		`(func (br $"` + long + `"))`,
		`(func block $"` + long + `" end $"` + long + `x")`,
		`(func $"` + long + `") (func $"` + long + `")`,
		`(type (struct (field $"` + long + `" i32) (field $"` + long + `" i32)))`,
		`(type (struct)) (func (struct.get 0 $"` + long + `"))`,
	} {
		_, err := Assemble([]byte(text), Options{})
		if err == nil {
			t.Errorf("%.50s: no error", text)
		} else if msg := err.Error(); len(msg) > 200 || !utf8.ValidString(msg) || !strings.Contains(msg, "…") {
			t.Errorf("%.50s: %d bytes of message: %.300s", text, len(msg), msg)
		}
	}
}
