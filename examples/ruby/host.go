package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spindle-wasm/spindle"
)

// handles is the host's table of Ruby objects: a handle is an index, the value
// the guest's own word for the object. A freed place is used again.
type handles struct {
	words []uint32
	free  []uint32
}

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

// canonicalABI is the module canonical_abi.
func (h *handles) canonicalABI() spindle.HostModule {
	return spindle.HostModule{
		"resource_new_rb-abi-value": spindle.Func1(func(_ *spindle.Caller, word uint32) uint32 {
			return h.add(word)
		}),
		"resource_get_rb-abi-value": spindle.Func1(func(c *spindle.Caller, handle uint32) uint32 {
			word, ok := h.get(handle)
			if !ok {
				c.Fail(fmt.Errorf("no Ruby object has the handle %d", handle))
			}
			return word
		}),
		// JavaScript values: none exist, so there is nothing to forget.
		"resource_drop_js-abi-value": spindle.Proc1(func(*spindle.Caller, uint32) {}),
	}
}

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
