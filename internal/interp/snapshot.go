package interp

import (
	"crypto/sha256"
	leb "encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"sync"

	"github.com/spindle-wasm/spindle/internal/vm"
)

var _ vm.Snapshotter = (*Engine)(nil)

// Name implements vm.Snapshotter: the list of operations stands for the version. Functions' own checksums tell the rest.
func (e *Engine) Name() string { return engineName() }

var engineName = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(strings.Join(opNames[:], " ")))
	return "interp " + hex.EncodeToString(sum[:8])
})

// CodeRefs implements vm.Snapshotter.
func (e *Engine) CodeRefs(t *vm.Thread, visit func(vm.CodeRef)) error {
	if len(t.Activations) == 0 {
		return nil
	}
	w := innermost(t)
	for at := vm.AtPC; ; {
		if !w.valid() {
			return &BugError{"a thread stands where no function is"}
		}
		kind := vm.RefAt
		if w.when == inCall {
			kind = vm.RefAfter
		}
		visit(vm.CodeRef{At: at, Kind: kind, Instance: w.inst.Index, Func: w.meta.fn, Index: uint32(w.at)})
		header := w.fp + uintptr(w.meta.header)*8
		at = uint64(header - t.Ctx.StackBase)
		ret, delta := readHeader(header)
		w.fp -= delta
		if ret == addrOf(&stubRestore) {
			visit(vm.CodeRef{At: at, Kind: vm.RefBridge})
			at = uint64(w.fp-t.Ctx.StackBase) + bridgeReturn*8
			b := slotsAt(w.fp, bridgeSlots)
			w.fp -= uintptr(b[bridgeInstance]>>32)*8 + uintptr(b[bridgeDelta])
			w.inst = t.Store.Instances[uint32(b[bridgeInstance])]
			ret = uintptr(b[bridgeReturn])
		}
		if ret == addrOf(&stubDone) {
			visit(vm.CodeRef{At: at, Kind: vm.RefEnd})
			return nil
		}
		w.locate(ret | inFlight)
	}
}

var errNoInstr = errors.New("a code address is of no instruction")

// SetCodeRef implements vm.Snapshotter.
func (e *Engine) SetCodeRef(t *vm.Thread, r vm.CodeRef, size uint64) error {
	if r.At != vm.AtPC && (r.At%8 != 0 || r.At >= size) {
		return errors.New("a code address is outside of the stack")
	}
	var addr uintptr
	switch r.Kind {
	case vm.RefEnd:
		addr = addrOf(&stubDone)
	case vm.RefBridge:
		addr = addrOf(&stubRestore)
	default:
		if int(r.Instance) >= len(t.Store.Instances) {
			return errNoInstr
		}
		c := codeOf(t.Store.Instances[r.Instance])
		if k := int(r.Func) - c.m.NumImportedFuncs; k < 0 || k >= len(c.descs) {
			return errNoInstr
		}
		if _, err := c.lower(r.Func); err != nil {
			return err
		}
		meta := c.metaOf(r.Func)
		if !meta.begins(int(r.Index)) {
			return errNoInstr
		}
		addr = meta.start + uintptr(r.Index)*instrSize
		if r.Kind == vm.RefAfter {
			addr += instrSize
			if r.At == vm.AtPC {
				addr |= inFlight
			}
		}
	}
	switch {
	case r.At != vm.AtPC:
		*slotAt(t.Ctx.StackBase + uintptr(r.At)) = uint64(addr)
	case r.Kind == vm.RefEnd || r.Kind == vm.RefBridge:
		return errNoInstr
	default:
		t.Ctx.PC = addr
	}
	return nil
}

// metaOf returns what is known of a lowered function.
func (c *Code) metaOf(fn uint32) *funcMeta {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.chunks {
		for _, m := range ch.metas {
			if m.fn == fn {
				return m
			}
		}
	}
	return nil
}

// begins reports whether an instruction has that index, and not a table's data.
func (m *funcMeta) begins(index int) bool {
	n := int((m.end - m.start) / instrSize)
	i := 0
	for i < index && i < n {
		i += 1 + instrAt(m.start+uintptr(i)*instrSize).tableSize()
	}
	return i == index && i < n
}

var errFrames = errors.New("the frames do not lie within the stack")

// CheckFrames implements vm.Snapshotter. It follows the frames as walker does, and looks where it steps.
func (e *Engine) CheckFrames(t *vm.Thread, size uint64) error {
	if len(t.Activations) == 0 {
		return nil
	}
	base := uint64(t.Ctx.StackBase)
	inside := func(fp, n uint64) bool { return fp >= base && fp%8 == 0 && fp-base <= size && size-(fp-base) >= n }
	w := walker{t: t, fp: t.Ctx.FP, inst: t.Store.Instances[t.Ctx.Instance]}
	w.locate(t.Ctx.PC)
	for above := base + size + 1; ; {
		if !w.valid() {
			return errNoInstr
		}
		fp := uint64(w.fp)
		if fp >= above || !inside(fp, uint64(w.meta.header+headerSlots)*8) {
			return errFrames
		}
		above = fp
		ret, delta := readHeader(w.fp + uintptr(w.meta.header)*8)
		if uint64(delta) > fp-base {
			return errFrames
		}
		fp -= uint64(delta)
		if ret == addrOf(&stubRestore) {
			if !inside(fp, bridgeSlots*8) {
				return errFrames
			}
			b := slotsAt(uintptr(fp), bridgeSlots)
			gap := b[bridgeInstance] >> 32 * 8
			if b[bridgeDelta] > size || gap+b[bridgeDelta] > fp-base || uint32(b[bridgeInstance]) >= uint32(len(t.Store.Instances)) || b[bridgeResults] > maxSlots {
				return errFrames
			}
			fp -= gap + b[bridgeDelta]
			w.inst = t.Store.Instances[uint32(b[bridgeInstance])]
			ret = uintptr(b[bridgeReturn])
		}
		if ret == addrOf(&stubDone) {
			if a := uint64(t.Activations[0].Top); fp != a && a > uint64(w.fp) {
				return errFrames
			}
			return nil
		}
		w.fp = uintptr(fp)
		w.locate(ret | inFlight)
	}
}

// Digest implements vm.Snapshotter. Of instructions it leaves the constants out, as addresses and canonical types are among them, which differ from process to process:
// the module's own checksum stands for those that count.
func (e *Engine) Digest(c vm.Code, fn uint32) ([32]byte, error) {
	code := c.(*Code)
	if k := int(fn) - code.m.NumImportedFuncs; k < 0 || k >= len(code.descs) {
		return [32]byte{}, errNoInstr
	}
	l := e.lowerer()
	defer e.done(l)
	if err := l.run(code, fn); err != nil {
		return [32]byte{}, err
	}
	var b []byte
	add := func(n ...int) {
		for _, n := range n {
			b = leb.AppendVarint(b, int64(n))
		}
	}
	add(l.header, l.base, l.maxTop, len(l.code))
	data := 0 // instructions that hold a table's offsets
	for _, in := range l.code {
		add(int(in.op), int(in.a), int(in.b), int(in.c))
		if data > 0 {
			add(int(in.imm))
			data--
			continue
		}
		data = in.tableSize()
	}
	for _, r := range l.regions {
		add(r.start, r.end)
		for _, k := range r.catches {
			add(int(k.kind), int(k.tag), int(k.slot), int(k.target))
		}
	}
	for _, r := range l.refs {
		add(int(r.slot), int(r.n))
	}
	for _, m := range l.maps {
		add(int(m.key))
		for _, s := range m.slots {
			add(int(s.slot))
		}
	}
	return sha256.Sum256(b), nil
}
