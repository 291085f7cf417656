//go:build !linux

package mem

import "errors"

// Mappings is for Linux, which alone bounds them.
func Mappings() (n, limit int, err error) { return 0, 0, errors.ErrUnsupported }
