package wat

import (
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// escapeLen returns the length of the escape sequence that b begins with, 0 if there is none (specification: Text Format, Strings).
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case 't', 'n', 'r', '"', '\'', '\\':
		return 2
	case 'u':
		if len(b) < 3 || b[2] != '{' {
			return 0
		}
		v, under := uint32(0), true
		for i := 3; i < len(b); i++ {
			switch {
			case b[i] == '}' && !under:
				if v >= 0xD800 && v < 0xE000 || v > utf8.MaxRune {
					return 0
				}
				return i + 1
			case b[i] == '_' && !under:
				under = true
			case hexDigit(b[i]) < 16:
				if v <= utf8.MaxRune {
					v = v<<4 | uint32(hexDigit(b[i]))
				}
				under = false
			default:
				return 0
			}
		}
		return 0
	}
	if len(b) >= 3 && hexDigit(b[1]) < 16 && hexDigit(b[2]) < 16 {
		return 3
	}
	return 0
}

// hexDigit returns the value of a digit, 16 or more if c is none.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// unquote appends the bytes of a string literal that the lexer accepted, quotes included in lit.
func unquote(dst, lit []byte) []byte {
	lit = lit[1 : len(lit)-1]
	for i := 0; i < len(lit); {
		if lit[i] != '\\' {
			dst = append(dst, lit[i])
			i++
			continue
		}
		n := escapeLen(lit[i:])
		switch c := lit[i+1]; c {
		case 't':
			dst = append(dst, '\t')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case '"', '\'', '\\':
			dst = append(dst, c)
		case 'u':
			r := rune(0)
			for _, d := range lit[i+3 : i+n-1] {
				if d != '_' {
					r = r<<4 | rune(hexDigit(d))
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, hexDigit(c)<<4|hexDigit(lit[i+2]))
		}
		i += n
	}
	return dst
}

// numStatus is the outcome of reading a number.
type numStatus uint8

const (
	numOK     numStatus = iota
	numBad              // not a number of that form
	numTooBig           // a number that the type can't hold
)

// parseNat reads an unsigned integer (specification: Text Format, Integers).
func parseNat(b []byte) (uint64, numStatus) {
	base := uint64(10)
	if len(b) > 2 && b[0] == '0' && b[1] == 'x' {
		base, b = 16, b[2:]
	}
	v, status, under := uint64(0), numOK, true
	for _, c := range b {
		if c == '_' && !under {
			under = true
			continue
		}
		d := uint64(hexDigit(c))
		if d >= base {
			return 0, numBad
		}
		under = false
		hi, lo := bits.Mul64(v, base)
		sum, carry := bits.Add64(lo, d, 0)
		if hi|carry != 0 {
			status = numTooBig
		}
		v = sum
	}
	if under {
		return 0, numBad
	}
	return v, status
}

// parseInt reads an integer that a type of the given width holds, signed or unsigned, as its two's complement.
func parseInt(b []byte, width uint) (uint64, numStatus) {
	limit := uint64(math.MaxUint64) >> (64 - width)
	neg := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		// A sign bounds the magnitude.
		limit >>= 1
		if neg {
			limit++
		}
		b = b[1:]
	}
	v, status := parseNat(b)
	switch {
	case status != numOK:
		return 0, status
	case v > limit:
		return 0, numTooBig
	case neg:
		v = -v
	}
	return v & (math.MaxUint64 >> (64 - width)), numOK
}

// parseFloat reads a float of 32 or 64 bits as its bit pattern, rounded once, to nearest even (specification: Text Format, Floating-Point).
func parseFloat(b []byte, width int) (uint64, numStatus) {
	mantissa, sign := 52, uint64(0)
	if width == 32 {
		mantissa = 23
	}
	exponent := uint64(1)<<(width-1-mantissa) - 1
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		if b[0] == '-' {
			sign = 1 << (width - 1)
		}
		b = b[1:]
	}
	switch {
	case string(b) == "inf":
		return sign | exponent<<mantissa, numOK
	case string(b) == "nan":
		return sign | exponent<<mantissa | 1<<(mantissa-1), numOK
	case len(b) > 6 && string(b[:6]) == "nan:0x":
		v, status := parseNat(b[4:])
		if status == numOK && (v == 0 || v >= 1<<mantissa) {
			status = numTooBig
		}
		return sign | exponent<<mantissa | v, status
	}
	text, ok := floatText(make([]byte, 0, 64), b)
	if !ok {
		return 0, numBad
	}
	f, err := strconv.ParseFloat(string(text), width)
	if err != nil { // out of range: the grammar was checked
		return 0, numTooBig
	}
	if width == 32 {
		return sign | uint64(math.Float32bits(float32(f))), numOK
	}
	return sign | math.Float64bits(f), numOK
}

// floatText checks b against the grammar of decimal and hexadecimal floats and appends it in the form that strconv takes.
func floatText(dst, b []byte) ([]byte, bool) {
	hex := len(b) > 2 && b[0] == '0' && b[1] == 'x'
	base, exp := byte(10), byte('e')
	if hex {
		base, exp = 16, 'p'
		dst, b = append(dst, "0x"...), b[2:]
	}
	i := 0
	digits := func(base byte) bool {
		n, under := 0, true
		for ; i < len(b); i++ {
			if b[i] == '_' && !under {
				under = true
				continue
			}
			if hexDigit(b[i]) >= base {
				break
			}
			dst = append(dst, b[i])
			n++
			under = false
		}
		return n > 0 && !under
	}
	if !digits(base) {
		return nil, false
	}
	if i < len(b) && b[i] == '.' {
		dst = append(dst, '.')
		i++
		if i < len(b) && hexDigit(b[i]) < base && !digits(base) {
			return nil, false
		}
	}
	if i < len(b) && b[i]|0x20 == exp {
		dst = append(dst, exp)
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			dst = append(dst, b[i])
			i++
		}
		if !digits(10) {
			return nil, false
		}
	} else if hex {
		dst = append(dst, "p0"...)
	}
	return dst, i == len(b)
}

// isNumber reports whether a word has the form of some number, so that a misplaced one is an unexpected token.
func isNumber(b []byte) bool {
	_, i := parseInt(b, 64)
	_, f := parseFloat(b, 64)
	return i != numBad || f != numBad
}
