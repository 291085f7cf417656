package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spindle-wasm/spindle"
)

// handles is the module canonical_abi with the table of Ruby objects that it keeps: a handle is an index, the value the guest's own word for the object. A
// freed place is used again. A child of a fork has a copy, for the words are about its memory.
type handles struct {
	words []uint32
	free  []uint32
}

var _ spindle.ForkState = (*handles)(nil)

func (h *handles) add(word uint32) uint32 {
	if n := len(h.free); n > 0 {
		i := h.free[n-1]
		h.free = h.free[:n-1]
		h.words[i] = word
		return i
	}
	h.words = append(h.words, word)
	return uint32(len(h.words) - 1)
}

// get reports false for a handle that was never given out.
func (h *handles) get(handle uint32) (uint32, bool) {
	if uint64(handle) >= uint64(len(h.words)) {
		return 0, false
	}
	return h.words[handle], true
}

// remove must be called once for a handle that add gave.
func (h *handles) remove(handle uint32) uint32 {
	h.free = append(h.free, handle)
	return h.words[handle]
}

// Lookup implements spindle.ImportModule.
func (h *handles) Lookup(_ *spindle.Process, name string) (spindle.Extern, bool) {
	switch name {
	case "resource_new_rb-abi-value":
		return spindle.Func1(func(_ *spindle.Caller, word uint32) uint32 { return h.add(word) }), true
	case "resource_get_rb-abi-value":
		return spindle.Func1(func(c *spindle.Caller, handle uint32) uint32 {
			word, ok := h.get(handle)
			if !ok {
				c.Fail(fmt.Errorf("no Ruby object has the handle %d", handle))
			}
			return word
		}), true
	case "resource_drop_js-abi-value":
		return spindle.Proc1(func(*spindle.Caller, uint32) {}), true // JavaScript values: none exist, so there is nothing to forget
	}
	return nil, false
}

// Freeze implements spindle.ForkState.
func (h *handles) Freeze(*spindle.Process) (spindle.FrozenModule, error) {
	return frozen{h.clone()}, nil
}

func (h *handles) clone() *handles { return &handles{slices.Clone(h.words), slices.Clone(h.free)} }

// frozen is a table in an image.
type frozen struct{ h *handles }

func (f frozen) Fork(*spindle.Process, any) (spindle.ImportModule, error) { return f.h.clone(), nil }
func (f frozen) Close() error                                             { return nil }

// errJavaScript ends a guest that turns to JavaScript; the trap names the
// function.
var errJavaScript = errors.New("the script used JavaScript, which is not here")

// javascript is the module rb-js-abi-host as far as mod imports it: functions
// of the right types that end the guest.
func javascript(mod *spindle.Module) spindle.HostModule {
	host := spindle.HostModule{}
	for im := range mod.Imports() {
		if im.Module != "rb-js-abi-host" || im.Kind != spindle.KindFunc {
			continue
		}
		fail := func(c *spindle.Caller, _ []uint64) { c.Fail(errJavaScript) }
		name, _, _ := strings.Cut(im.Name, ":")
		host[im.Name] = spindle.RawFunc(*im.Func, fail).Named(name)
	}
	return host
}
