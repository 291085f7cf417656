package image

import (
	"errors"
	"os"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// Part is one run of pages of an image that goes to another process: a file of its own, of which they are the beginning.
type Part struct {
	File   *os.File
	Layout mem.Layout
}

// Parts returns what has been written as a description and files of pages, instead of as one file: what another process makes the same image of by FromParts, without a copy of
// the pages. The caller closes the files. The error is errors.ErrUnsupported where images have no files.
func (w *Writer) Parts() (desc []byte, parts []Part, err error) {
	for _, img := range w.images {
		f, l, err := img.Share()
		if err != nil {
			return nil, nil, errors.Join(err, CloseParts(parts))
		}
		parts = append(parts, Part{f, l})
	}
	return w.buf, parts, nil
}

// CloseParts closes the files.
func CloseParts(parts []Part) error {
	var errs []error
	for _, p := range parts {
		errs = append(errs, p.File.Close())
	}
	return errors.Join(errs...)
}

// FromParts makes a File of parts. The files must stay open until Pages has been called for each; a File of parts has no checksums.
func FromParts(desc []byte, parts []Part) *File {
	s := &File{desc: desc}
	for _, p := range parts {
		s.sections = append(s.sections, section{f: p.File, layout: p.Layout})
	}
	return s
}
