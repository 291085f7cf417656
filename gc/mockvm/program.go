package mockvm

import (
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// Program is a random mutator with a model beside it: every object has a twin in Go's heap. Two runs of the same choices make the same graph under
// every plan, whatever collections happen meanwhile: where these show, in weak fields and finalizers, the program looks only when the model says what
// must be there.
type Program struct {
	t      *Thread
	rng    Choices
	types  []gc.TypeID
	roots  []*twin // of t.Stack
	pins   []*twin // of t.Pins
	board  []*twin // own elements of the VM's board
	finals []final // registered, and not taken yet
	next   uint64
	// Check compares the whole graph at every so many steps; 0 never.
	Check int
	// Unsettled programs never settle: for heaps where what is dead may stay, as it does in an image.
	Unsettled bool
	// Larger bounds the lengths of some arrays in bytes; 0 means 100,000.
	Larger int
	// Semantics makes objects of all semantics, and pins some.
	Semantics bool
	immortal  map[*twin]uint32 // immortal objects, and where they are
	held      map[*twin]uint32 // objects that are pinned for as long as they live, and where
}

// final is a registration for finalization.
type final struct {
	tag uint64
	tw  *twin
	ref uint32 // where the object was; of use where objects do not move
}

// The types of programs: structs with a stamp and references, arrays of references, and one of bytes.
const (
	typeLeaf = iota
	typePair
	typeWide
	typeLong
	typeRefs
	typeBytes
	typeWeak       // a struct with strong and weak fields and an ephemeron
	typeWeaks      // an array of weak references
	typeEphemerons // an array of ephemerons
	numTypes
)

const stampAt = heap.HeaderSize // 8 bytes in structs

// Types adds the program's types to a heap.
func Types(types *gc.Types) ([]gc.TypeID, error) {
	var ids []gc.TypeID
	for _, t := range []gc.Type{
		typeLeaf:       {Name: "leaf", Size: 16},
		typePair:       {Name: "pair", Size: 24, Refs: []uint32{16, 20}},
		typeWide:       {Name: "wide", Size: 56, Refs: []uint32{16, 24, 28, 44, 52}},
		typeLong:       {Name: "long", Size: 608, Refs: longRefs()},
		typeRefs:       {Name: "refs", Elem: 4, ElemRef: true},
		typeBytes:      {Name: "bytes", Elem: 1},
		typeWeak:       {Name: "weak", Size: 40, Refs: []uint32{16}, Weak: []uint32{20, 36}, Ephemerons: []uint32{24}},
		typeWeaks:      {Name: "weaks", Elem: 4, ElemWeak: true},
		typeEphemerons: {Name: "ephemerons", Elem: 8, ElemEphemeron: true},
	} {
		id, err := types.Add(t)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// longRefs are more references than a heap.Shape has bits for.
func longRefs() (refs []uint32) {
	for off := uint32(16); off < 608; off += 12 {
		refs = append(refs, off)
	}
	return refs
}

// NewProgram makes a program that runs on a thread, with that many roots.
func NewProgram(t *Thread, types []gc.TypeID, seed uint64, roots int) *Program {
	return NewProgramOf(t, types, NewRandom(seed, 77), roots)
}

// NewProgramOf makes a program that decides by choices.
func NewProgramOf(t *Thread, types []gc.TypeID, rng Choices, roots int) *Program {
	t.Stack = make([]uint32, roots)
	return &Program{t: t, rng: rng, types: types, roots: make([]*twin, roots), board: make([]*twin, boardShare), immortal: map[*twin]uint32{}, held: map[*twin]uint32{}}
}

// MismatchError says where the heap differs from the model.
type MismatchError struct{ Msg string }

func (e *MismatchError) Error() string { return "mockvm: " + e.Msg }

func mismatch(format string, args ...any) error {
	return &MismatchError{fmt.Sprintf(format, args...)}
}

// operations are what a program does, with their shares of the steps.
var operations = []struct {
	name  string
	share int
	do    func(*Program) error
}{
	{"alloc", 107, (*Program).alloc},
	{"store", 60, (*Program).store},
	{"load", 36, (*Program).load},
	{"drop", 14, (*Program).drop},
	{"bulk", 8, (*Program).bulk},
	{"immediate", 5, (*Program).immediate},
	{"storeWeak", 8, (*Program).storeWeak},
	{"loadWeak", 2, (*Program).loadWeak},
	{"finalizer", 3, (*Program).finalizer},
	{"storeBoard", 4, (*Program).storeBoard},
	{"loadBoard", 4, (*Program).loadBoard},
	{"pin", 2, (*Program).pin},
	{"unpin", 2, (*Program).unpin},
	{"settle", 1, (*Program).settle},
}

// shares is the sum of all, so that one byte chooses.
const shares = 256

// Run does that many steps, fewer if the choices come to an end. Errors are the heap's, and *MismatchError.
func (p *Program) Run(steps int) error {
	for i := range steps {
		if b, ok := p.rng.(*Bytes); ok && b.Done() {
			break
		}
		name, err := "safepoint", p.t.Safepoint()
		if err == nil {
			name, err = p.step()
		}
		if err == nil && p.Check > 0 && i%p.Check == p.Check-1 {
			name, err = "check", p.Verify()
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i, name, err)
		}
	}
	return nil
}

func (p *Program) step() (string, error) {
	if p.Semantics && p.rng.IntN(64) == 0 {
		return "hold", p.hold()
	}
	k := p.rng.IntN(shares)
	for _, o := range operations {
		if k -= o.share; k < 0 {
			return o.name, o.do(p)
		}
	}
	panic("unreachable")
}

// length chooses an array's length: mostly up to n, once in a while a lot more.
func (p *Program) length(n, elem int) uint32 {
	if p.rng.IntN(256) == 0 {
		larger := p.Larger
		if larger == 0 {
			larger = 100_000
		}
		n = larger / elem
	}
	return uint32(p.rng.IntN(n))
}

func (p *Program) alloc() error {
	kind := p.rng.IntN(numTypes)
	var length uint32
	switch kind {
	case typeRefs, typeWeaks:
		length = p.length(30, 4)
	case typeEphemerons:
		length = p.length(10, 8)
	case typeBytes:
		length = p.length(500, 1)
	}
	semantics := p.semantics(kind, length)
	r, err := p.t.AllocAs(semantics, p.types[kind], length)
	if err != nil {
		return err
	}
	tw := p.newTwin(p.types[kind], length)
	if semantics == plan.Immortal {
		p.immortal[tw] = r
	}
	mem := p.t.vm.Heap.Mem
	for i, b := range mem.Bytes(r+heap.HeaderSize, int(mem.SizeOf(r)-heap.HeaderSize)) {
		if b != 0 {
			return mismatch("new object %#x of type %d is dirty at %d", r, kind, i+heap.HeaderSize)
		}
	}
	if kind == typeBytes && length > 0 {
		tw.raw = uint32(p.rng.IntN(256))
		mem.Bytes(r+heap.HeaderSize, int(length))[length-1] = byte(tw.raw)
	}
	if tw.stamped(p) {
		p.next++
		tw.stamp = p.next
		*mem.Word(r + stampAt) = tw.stamp
	}
	p.setRoot(p.target(), tw, r)
	return nil
}

func (p *Program) setRoot(i int, tw *twin, r uint32) { p.roots[i], p.t.Stack[i] = tw, r }

// target picks a root to overwrite: the first ones often, the last ones hardly ever, so that some objects get old.
func (p *Program) target() int { return p.rng.IntN(1 + p.rng.IntN(1+p.rng.IntN(len(p.roots)))) }

// root picks any.
func (p *Program) root() int { return p.rng.IntN(len(p.roots)) }

// rootOf picks one whose object is of a kind, -1 if there is none.
func (p *Program) rootOf(is func(*twin) bool) int {
	from := p.root()
	for i := range p.roots {
		if k := (from + i) % len(p.roots); p.roots[k] != nil && is(p.roots[k]) {
			return k
		}
	}
	return -1
}

func (p *Program) drop() error {
	p.setRoot(p.target(), nil, 0)
	return nil
}

// field picks a field of the object that a root refers to; ok is false if there is none.
func (p *Program) field() (i, at int, ok bool) {
	i = p.rootOf(func(tw *twin) bool { return len(tw.refs) > 0 })
	if i < 0 {
		return 0, 0, false
	}
	return i, p.rng.IntN(len(p.roots[i].refs)), true
}

// store writes a reference, or null, into an object.
func (p *Program) store() error {
	i, at, ok := p.field()
	if ok {
		k := p.root()
		p.roots[i].refs[at] = p.roots[k]
		p.t.Write(p.t.Stack[i], p.offset(p.roots[i], at), p.t.Stack[k])
	}
	return nil
}

// immediate writes a word that is no object.
func (p *Program) immediate() error {
	i, at, ok := p.field()
	if ok {
		p.roots[i].refs[at] = nil
		p.t.Write(p.t.Stack[i], p.offset(p.roots[i], at), uint32(p.rng.IntN(1<<16))<<2|1)
	}
	return nil
}

// load makes an object that another one refers to a root.
func (p *Program) load() error {
	i, at, ok := p.field()
	if !ok {
		return nil
	}
	tw := p.roots[i].refs[at]
	r := *p.t.vm.Heap.Mem.Slot(p.t.Stack[i] + p.offset(p.roots[i], at))
	if tw == nil {
		if heap.IsObject(r) {
			return mismatch("field %d of %#x is %#x, want none", at, p.t.Stack[i], r)
		}
		r = 0
	}
	p.setRoot(p.target(), tw, r)
	return nil
}

// bulk copies a part of an array of references to another one, or fills one.
func (p *Program) bulk() error {
	array := func(tw *twin) bool { return tw.isArray(p) }
	i, k, fill := p.rootOf(array), p.root(), p.rng.IntN(3) == 0
	if i < 0 {
		return nil
	}
	if !fill {
		k = p.rootOf(array)
	}
	dst, src := p.roots[i], p.roots[k]
	f := p.rng.IntN(int(dst.length))
	if fill {
		n := p.rng.IntN(int(dst.length) - f + 1)
		for j := f; j < f+n; j++ {
			dst.refs[j] = src
		}
		p.t.FillRefs(p.t.Stack[i], uint32(f), uint32(n), p.t.Stack[k])
		return nil
	}
	g := p.rng.IntN(int(src.length))
	n := p.rng.IntN(int(min(dst.length-uint32(f), src.length-uint32(g))) + 1)
	copy(dst.refs[f:f+n], src.refs[g:g+n])
	p.t.CopyRefs(p.t.Stack[i], uint32(f), p.t.Stack[k], uint32(g), uint32(n))
	return nil
}

// storeBoard writes one of the program's own elements of the board, an array that all threads write to.
func (p *Program) storeBoard() error {
	i, k := p.rng.IntN(boardShare), p.root()
	if board, off := p.t.Board(); board != 0 {
		p.board[i] = p.roots[k]
		p.t.Write(board, off+4*uint32(i), p.t.Stack[k])
	}
	return nil
}

func (p *Program) loadBoard() error {
	i := p.rng.IntN(boardShare)
	if board, off := p.t.Board(); board != 0 {
		p.setRoot(p.target(), p.board[i], *p.t.vm.Heap.Mem.Slot(board + off + 4*uint32(i)))
	}
	return nil
}

// pin makes an object stay in its place.
func (p *Program) pin() error {
	if i := p.root(); p.roots[i] != nil && len(p.pins) < 20 {
		p.pins, p.t.Pins = append(p.pins, p.roots[i]), append(p.t.Pins, p.t.Stack[i])
	}
	return nil
}

// unpin lets an object go.
func (p *Program) unpin() error {
	if len(p.pins) > 0 {
		i := p.rng.IntN(len(p.pins))
		p.pins, p.t.Pins = slices.Delete(p.pins, i, i+1), slices.Delete(p.t.Pins, i, i+1)
	}
	return nil
}

func (p *Program) settle() error {
	if p.rng.IntN(4) > 0 || p.Unsettled {
		return nil
	}
	return p.Settle()
}
