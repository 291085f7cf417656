package main

import (
	"errors"
	"slices"
)

var errShort = errors.New("ends too early")

// A reader reads from a section. The first failure sticks and makes all that follows 0.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail() {
	r.at = len(r.b)
	if r.err == nil {
		r.err = errShort
	}
}

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail()
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail()
	return 0
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail()
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

func (r *reader) string() string { return string(r.bytes(r.u32())) }

func appendU32(b []byte, v uint32) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func appendString(b []byte, s string) []byte { return append(appendU32(b, uint32(len(s))), s...) }

// padded is v in the five bytes that a relocation leaves room for.
func padded(v uint32) []byte {
	return []byte{byte(v) | 0x80, byte(v>>7) | 0x80, byte(v>>14) | 0x80, byte(v>>21) | 0x80, byte(v >> 28)}
}

// replace is b with the bytes from..to replaced.
func replace(b []byte, from, to int, with []byte) []byte {
	return slices.Concat(b[:from], with, b[to:])
}
