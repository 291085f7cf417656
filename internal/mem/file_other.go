//go:build !linux

package mem

import "errors"

// Only Linux has memfds, and here so far. Elsewhere no region has a file, and an Image is a copy.

func newFile(int) (*file, error) { return nil, errors.ErrUnsupported }

func (f *file) close() {}

func duplicate(uintptr) (int, error) { return 0, errors.ErrUnsupported }

func (f *file) seal() error { return errors.ErrUnsupported }

func (f *file) keepWriter(int) {}

func (r *Region) open(int, int) error { return errors.ErrUnsupported }

func (r *Region) shut(int, int) error { return errors.ErrUnsupported }

func (f *file) data(int) (int, bool, error) { return 0, false, errors.ErrUnsupported }

func (f *file) extents(int) []Span { return nil }

func (f *file) resident() int { return 0 }

func (f *file) write([]byte, int) error { return errors.ErrUnsupported }

func (f *file) read([]byte, int) error { return errors.ErrUnsupported }

func (f *file) punch(int, int) error { return errors.ErrUnsupported }

func mapShared(*Region, *file) error { return errors.ErrUnsupported }

func mapPrivate(*Region, *file, int) error { return errors.ErrUnsupported }

func mapReadable(*Region, *file, int) error { return errors.ErrUnsupported }

func collapsePages(*Region, int) error { return errors.ErrUnsupported }

func mapAnonymous(*Region, int, int, bool) error { return errors.ErrUnsupported }

func (r *Region) populate(int, int) {}

func revert(*Region, int, int) error { return errors.ErrUnsupported }

func (r *Region) forget(int) {}

// scan cannot tell here which pages have been written.
func scan(*Region, int, int) ([]Span, error) { return nil, errors.ErrUnsupported }

func scanQuick(*Region, int, int) ([]Span, error) { return nil, errors.ErrUnsupported }
