// Package image is the file format of snapshots: a header, a description, and raw pages that are mapped, not read. What the description says is the
// matter of who writes it; see docs/snapshot.md.
package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// Magic begins every snapshot.
const Magic = "\x00spindle"

// Version is that of the format. There is no other one that this package reads.
const Version = 2

// Layout of the header, little-endian; the description follows it at once.
//
//	 0  magic
//	 8  version, 4 bytes; 0, 4 bytes
//	16  bytes of the description
//	24  bytes of the file
//	32  SHA-256 of the header's first 32 bytes and of the description
const headerSize = 64

// align is where pages begin: whole pages of every system.
const align = 64 << 10

// maxDescription bounds the memory that a description takes before its checksum has been seen.
const maxDescription = 1 << 30

// sectionSize is what a section takes at the end of the description.
const sectionSize = 5 * 8

// section is the pages of one memory: off in the file; the layout that mem.FromFile wants, used bytes of it being there; and their CRC-32C.
type section struct {
	f      *os.File
	off    int64
	layout mem.Layout
	sum    uint32
}

// Writer collects what goes into a file.
type Writer struct {
	Encoder
	images []*mem.Image
}

// AddPages has the pages of an image written, and returns the number that they are found by.
func (w *Writer) AddPages(img *mem.Image) uint64 {
	w.images = append(w.images, img)
	return uint64(len(w.images) - 1)
}

// castagnoli is made when it is first asked for: programs that write no image start sooner.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// zeroSum continues a CRC by n bytes of zero.
func zeroSum(sum uint32, n int) uint32 {
	for n > 0 {
		k := min(n, len(zeros))
		sum = crc32.Update(sum, castagnoli(), zeros[:k])
		n -= k
	}
	return sum
}

var zeros [align]byte

// WriteTo writes the file. Where w is an *os.File that can be sought in, pages of zeros become holes.
func (w *Writer) WriteTo(to io.Writer) (int64, error) {
	sections := make([]section, len(w.images))
	desc := int64(headerSize + len(w.buf) + 8 + sectionSize*len(w.images))
	end := roundUp(desc)
	for i, img := range w.images {
		s := &sections[i]
		s.off, s.layout = end, mem.Layout{Size: img.Size(), Committed: img.Committed()}
		err := img.Content(func(off int, b []byte) error {
			s.sum = crc32.Update(zeroSum(s.sum, off-s.layout.Used), castagnoli(), b)
			s.layout.Used = off + len(b)
			return nil
		})
		if err != nil {
			return 0, err
		}
		end = roundUp(end + int64(s.layout.Used))
	}
	e := w.Encoder
	for _, s := range sections {
		for _, n := range []uint64{uint64(s.off), uint64(s.layout.Size), uint64(s.layout.Committed), uint64(s.layout.Used), uint64(s.sum)} {
			e.Word(n)
		}
	}
	e.Word(uint64(len(sections)))
	head := binary.LittleEndian.AppendUint32([]byte(Magic), Version)
	head = binary.LittleEndian.AppendUint32(head, 0)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(e.buf)))
	head = binary.LittleEndian.AppendUint64(head, uint64(end))
	sum := sha256.New()
	sum.Write(head)
	sum.Write(e.buf)
	out := newOutput(to)
	out.write(sum.Sum(head))
	out.write(e.buf)
	for i, img := range w.images {
		err := img.Content(func(off int, b []byte) error {
			out.skipTo(sections[i].off + int64(off))
			out.write(b)
			return out.err
		})
		if err != nil {
			return out.at, err
		}
	}
	out.skipTo(end)
	return out.at, out.finish()
}

func roundUp(n int64) int64 { return (n + align - 1) / align * align }

// output writes, and knows where it is.
type output struct {
	w    io.Writer
	file *os.File // to make holes in, or nil
	base int64    // where in the file the snapshot begins
	at   int64
	hole bool // the last bytes are one
	err  error
}

func newOutput(w io.Writer) *output {
	o := &output{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		base, serr := f.Seek(0, io.SeekCurrent)
		// What the file has already would show in the holes.
		if err == nil && serr == nil && info.Mode().IsRegular() && info.Size() <= base {
			o.file, o.base = f, base
		}
	}
	return o
}

func (o *output) write(b []byte) {
	if o.err == nil {
		var n int
		n, o.err = o.w.Write(b)
		o.at += int64(n)
		o.hole = false
	}
}

// skipTo writes zeros up to a place.
func (o *output) skipTo(at int64) {
	if o.err != nil || o.at == at {
		return
	}
	if o.file != nil {
		if _, o.err = o.file.Seek(o.base+at, io.SeekStart); o.err == nil {
			o.at, o.hole = at, true
		}
		return
	}
	for o.err == nil && o.at < at {
		o.write(zeros[:min(at-o.at, align)])
	}
}

func (o *output) finish() error {
	if o.err == nil && o.hole {
		o.err = o.file.Truncate(o.base + o.at)
	}
	return o.err
}

// File is an open snapshot, or what Writer.Parts took apart.
type File struct {
	desc     []byte
	sections []section
}

// Open reads a file's header and description and checks them. It does not read the pages. The error is a *FormatError, or one of reading.
func Open(f *os.File) (*File, error) {
	fail := func(off int64, format string, args ...any) (*File, error) {
		return nil, &FormatError{Offset: off, Msg: fmt.Sprintf(format, args...)}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return fail(-1, "not a regular file: its pages cannot be mapped")
	}
	var head [headerSize]byte
	if n, err := f.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return nil, err
	} else if n < headerSize {
		return fail(int64(n), "the file ends in its header")
	}
	if string(head[:8]) != Magic {
		return fail(0, "this is no snapshot")
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v != Version {
		return fail(8, "the format's version is %d; this program reads %d", v, Version)
	}
	n, size := binary.LittleEndian.Uint64(head[16:]), binary.LittleEndian.Uint64(head[24:])
	if size != uint64(info.Size()) {
		return fail(24, "the file has %d bytes, and should have %d", info.Size(), size)
	}
	if n > maxDescription || n+headerSize > size || n < 8 {
		return fail(16, "a description of %d bytes in a file of %d", n, size)
	}
	desc := make([]byte, n)
	if _, err := f.ReadAt(desc, headerSize); err != nil {
		return nil, err
	}
	sum := sha256.New()
	sum.Write(head[:32])
	sum.Write(desc)
	if !bytes.Equal(sum.Sum(nil), head[32:]) {
		return fail(32, "the checksum is wrong: the file is damaged")
	}
	s := &File{}
	end := n - 8
	count := binary.LittleEndian.Uint64(desc[end:])
	if count > end/sectionSize {
		return fail(headerSize+int64(end), "%d sections", count)
	}
	at := end - count*sectionSize
	s.desc = desc[:at]
	d := NewDecoder(desc[at:end], headerSize+int64(at))
	for range count {
		c := section{f: f, off: int64(d.Word()), layout: mem.Layout{Size: d.word(), Committed: d.word(), Used: d.word()}, sum: uint32(d.Word())}
		if l := c.layout; d.err == nil && (c.off < headerSize || c.off%align != 0 || uint64(c.off) > size || uint64(l.Used) > size-uint64(c.off) || l.Committed > l.Size || l.Used > l.Committed) {
			d.Failf("pages of %d bytes at %d", l.Used, c.off)
		}
		if page := mem.PageSize(); d.err == nil && page > 4096 {
			// Written where pages are smaller.
			l := &c.layout
			l.Size, l.Committed, l.Used = up(l.Size, page), up(l.Committed, page), up(l.Used, page)
			if int64(l.Used) > int64(size)-c.off {
				d.Failf("pages of %d bytes at %d", l.Used, c.off)
			}
		}
		s.sections = append(s.sections, c)
	}
	if d.err != nil {
		return nil, d.err
	}
	return s, nil
}

func up(n, to int) int { return (n + to - 1) / to * to }

func (d *Decoder) word() int {
	n := d.Word()
	if n > 1<<47 || int(n) < 0 || uint64(int(n)) != n {
		d.Failf("a size of %d bytes", n)
		return 0
	}
	return int(n)
}

// Decoder returns a decoder of the description.
func (s *File) Decoder() *Decoder { return NewDecoder(s.desc, headerSize) }

// Pages makes an image of the pages with that number. It keeps the file's content in use, but not the file open.
func (s *File) Pages(n uint64) (*mem.Image, error) {
	if n >= uint64(len(s.sections)) {
		return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("there are no pages %d", n)}
	}
	c := &s.sections[n]
	return mem.FromFile(c.f, c.off, c.layout)
}

// Sections returns how many runs of pages there are.
func (s *File) Sections() uint64 { return uint64(len(s.sections)) }

// Layout returns the layout of the pages with that number, which must exist.
func (s *File) Layout(n uint64) mem.Layout { return s.sections[n].layout }

// Check reads all pages and compares their checksums. The error is a *FormatError that tells where the damaged ones begin, or one of reading.
func (s *File) Check() error {
	for _, c := range s.sections {
		sum := crc32.New(castagnoli())
		if _, err := io.Copy(sum, io.NewSectionReader(c.f, c.off, int64(c.layout.Used))); err != nil {
			return err
		}
		if sum.Sum32() != c.sum {
			return &FormatError{Offset: c.off, Msg: fmt.Sprintf("the checksum of %d bytes of pages is wrong: the file is damaged", c.layout.Used)}
		}
	}
	return nil
}
