//go:build !linux

package hostfs

import (
	"errors"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// errSlow says that os.Root has to do it, which here is always so.
var errSlow = errors.New("hostfs: no shorter way")

func hasBeneath(*os.File) bool { return false }

func (d *dir) fastOpen(string, int, bool) (*os.File, error) { return nil, errSlow }

func (d *dir) fastStat(string, bool) (vfs.Stat, error) { return vfs.Stat{}, errSlow }

func (d *dir) fastTimes(string, vfs.Times) error { return errSlow }
