package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Encoder writes a description: numbers as LEB128, bytes with their length before them. The zero value is ready.
type Encoder struct{ buf []byte }

// Bytes returns what has been written.
func (e *Encoder) Bytes() []byte { return e.buf }

// Uint writes a number.
func (e *Encoder) Uint(n uint64) { e.buf = binary.AppendUvarint(e.buf, n) }

// Int writes a number that may be negative.
func (e *Encoder) Int(n int64) { e.buf = binary.AppendVarint(e.buf, n) }

// Word writes a number that is likely to be large.
func (e *Encoder) Word(n uint64) { e.buf = binary.LittleEndian.AppendUint64(e.buf, n) }

// Bool writes a truth value.
func (e *Encoder) Bool(b bool) {
	n := byte(0)
	if b {
		n = 1
	}
	e.buf = append(e.buf, n)
}

// Blob writes bytes.
func (e *Encoder) Blob(b []byte) {
	e.Uint(uint64(len(b)))
	e.buf = append(e.buf, b...)
}

// String writes a string.
func (e *Encoder) String(s string) {
	e.Uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// Words writes numbers that are likely to be large.
func (e *Encoder) Words(s []uint64) {
	e.Uint(uint64(len(s)))
	for _, n := range s {
		e.Word(n)
	}
}

// FormatError says what is wrong with a file, and where in its description; -1 for what is in no place.
type FormatError struct {
	Offset int64
	Msg    string
	Cause  error // if the system, and not the file, is why
}

func (e *FormatError) Error() string {
	if e.Offset < 0 {
		return "snapshot: " + e.Msg
	}
	return fmt.Sprintf("snapshot: at %#x: %s", e.Offset, e.Msg)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Cause }

// Decoder reads what an Encoder wrote. After the first error, which it keeps, all it returns is zero.
type Decoder struct {
	buf []byte
	at  int
	off int64 // of buf in the file
	err error
}

// NewDecoder makes a decoder of a description that lies at off in its file.
func NewDecoder(b []byte, off int64) *Decoder { return &Decoder{buf: b, off: off} }

// Err returns the first error, a *FormatError.
func (d *Decoder) Err() error { return d.err }

// Failf notes an error at the place that was read last.
func (d *Decoder) Failf(format string, args ...any) { d.FailAt(d.Pos(), format, args...) }

// Pos returns the place in the file that was read last, for FailAt.
func (d *Decoder) Pos() int64 { return d.off + int64(d.at) }

// FailAt notes an error at a place of Pos.
func (d *Decoder) FailAt(pos int64, format string, args ...any) {
	if d.err == nil {
		err := fmt.Errorf(format, args...)
		d.err = &FormatError{pos, err.Error(), errors.Unwrap(err)}
	}
}

// Uint reads a number.
func (d *Decoder) Uint() uint64 {
	if d.err != nil {
		return 0
	}
	n, k := binary.Uvarint(d.buf[d.at:])
	if k <= 0 {
		d.Failf("no number")
		return 0
	}
	d.at += k
	return n
}

// Int reads a number that may be negative.
func (d *Decoder) Int() int64 {
	if d.err != nil {
		return 0
	}
	n, k := binary.Varint(d.buf[d.at:])
	if k <= 0 {
		d.Failf("no number")
		return 0
	}
	d.at += k
	return n
}

// Uint32 reads a number of at most 32 bits.
func (d *Decoder) Uint32() uint32 { return uint32(d.Below(1<<32, "a number")) }

// Below reads a number that is less than n.
func (d *Decoder) Below(n uint64, what string) uint64 {
	v := d.Uint()
	if d.err == nil && v >= n {
		d.Failf("%s is %d, of %d", what, v, n)
		return 0
	}
	return v
}

// Word reads a number of Encoder.Word.
func (d *Decoder) Word() uint64 {
	if d.err != nil {
		return 0
	}
	if len(d.buf)-d.at < 8 {
		d.Failf("the description ends in a number")
		return 0
	}
	n := binary.LittleEndian.Uint64(d.buf[d.at:])
	d.at += 8
	return n
}

// Bool reads a truth value.
func (d *Decoder) Bool() bool { return d.Below(2, "a truth value") == 1 }

// Len reads a number of elements that follow, of at least size bytes each.
func (d *Decoder) Len(size int) int {
	n := d.Uint()
	if d.err == nil && n > uint64(len(d.buf)-d.at)/uint64(size) {
		d.Failf("%d elements do not fit", n)
		return 0
	}
	return int(n)
}

// Size reads a number of bytes in memory.
func (d *Decoder) Size() int { return int(d.Below(math.MaxInt, "a size")) }

// Blob reads bytes, which are the description's own.
func (d *Decoder) Blob() []byte {
	n := d.Len(1)
	if d.err != nil {
		return nil
	}
	b := d.buf[d.at : d.at+n : d.at+n]
	d.at += n
	return b
}

// String reads a string.
func (d *Decoder) String() string { return string(d.Blob()) }

// Words reads numbers of Encoder.Words.
func (d *Decoder) Words() []uint64 {
	s := make([]uint64, d.Len(8))
	for i := range s {
		s[i] = d.Word()
	}
	return s
}

// Rest reads all that is left.
func (d *Decoder) Rest() []byte {
	b := d.buf[d.at:]
	d.at = len(d.buf)
	return b
}

// End checks that nothing is left.
func (d *Decoder) End() {
	if d.err == nil && d.at != len(d.buf) {
		d.Failf("%d bytes are left over", len(d.buf)-d.at)
	}
}
