package mockvm

import (
	"fmt"
	"math/rand/v2"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
)

// Program is a random mutator with a model beside it: every object has a twin in Go's heap. Two runs of one seed make the same graph under
// every plan, whatever collections happen meanwhile.
type Program struct {
	t     *Thread
	pcg   *rand.PCG
	rng   *rand.Rand // on pcg
	types []gc.TypeID
	roots []*twin // of t.Stack
	next  uint64
	// Check compares the whole graph at every so many steps; 0 never.
	Check int
}

// twin is what an object should be.
type twin struct {
	typ    gc.TypeID
	length uint32
	stamp  uint64
	refs   []*twin
	raw    uint32 // an array of bytes: the value of its last byte
}

// The types of programs: structs with a stamp and references, an array of references, an array of bytes.
const (
	typeLeaf = iota
	typePair
	typeWide
	typeLong
	typeRefs
	typeBytes
	numTypes
)

const stampAt = heap.HeaderSize // 8 bytes in structs

// Types adds the program's types to a heap.
func Types(types *gc.Types) ([]gc.TypeID, error) {
	var ids []gc.TypeID
	for _, t := range []gc.Type{
		typeLeaf:  {Name: "leaf", Size: 16},
		typePair:  {Name: "pair", Size: 24, Refs: []uint32{16, 20}},
		typeWide:  {Name: "wide", Size: 56, Refs: []uint32{16, 24, 28, 44, 52}},
		typeLong:  {Name: "long", Size: 608, Refs: longRefs()},
		typeRefs:  {Name: "refs", Elem: 4, ElemRef: true},
		typeBytes: {Name: "bytes", Elem: 1},
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
	t.Stack = make([]uint32, roots)
	pcg := rand.NewPCG(seed, 77)
	return &Program{t: t, pcg: pcg, rng: rand.New(pcg), types: types, roots: make([]*twin, roots)}
}

// MismatchError says where the heap differs from the model.
type MismatchError struct{ Msg string }

func (e *MismatchError) Error() string { return "mockvm: " + e.Msg }

// Run does that many steps. Errors are the heap's, and *MismatchError.
func (p *Program) Run(steps int) error {
	for i := range steps {
		p.t.Safepoint()
		var err error
		switch k := p.rng.IntN(100); {
		case k < 45:
			err = p.alloc()
		case k < 75:
			p.store()
		case k < 90:
			err = p.load()
		case k < 94:
			i := p.target()
			p.roots[i], p.t.Stack[i] = nil, 0
		case k < 97:
			p.bulk()
		default:
			// Immediates are no objects.
			p.immediate()
		}
		if err == nil && p.Check > 0 && i%p.Check == p.Check-1 {
			err = p.Verify()
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

func (p *Program) alloc() error {
	kind := p.rng.IntN(numTypes)
	var length uint32
	switch kind {
	case typeRefs:
		length = uint32(p.rng.IntN(30))
		if p.rng.IntN(400) == 0 {
			length = uint32(p.rng.IntN(20_000))
		}
	case typeBytes:
		length = uint32(p.rng.IntN(500))
		if p.rng.IntN(200) == 0 {
			length = uint32(p.rng.IntN(100_000))
		}
	}
	r, err := p.t.Alloc(p.types[kind], length)
	if err != nil {
		return err
	}
	mem := p.t.vm.Heap.Mem
	tw := &twin{typ: p.types[kind], length: length}
	switch kind {
	case typeRefs:
		tw.refs = make([]*twin, length)
	case typeBytes:
		if length > 0 {
			b := mem.Bytes(r+heap.HeaderSize, int(length))
			for _, at := range []uint32{0, length / 2, length - 1} {
				if b[at] != 0 {
					return &MismatchError{fmt.Sprintf("new bytes %#x are dirty at %d", r, at)}
				}
			}
			tw.raw = uint32(p.rng.IntN(256))
			b[length-1] = byte(tw.raw)
		}
	default:
		for off := uint32(heap.HeaderSize); off < mem.SizeOf(r); off += 4 {
			if *mem.Slot(r + off) != 0 {
				return &MismatchError{fmt.Sprintf("new object %#x is dirty at %d", r, off)}
			}
		}
		p.next++
		tw.stamp = p.next
		*mem.Word(r + stampAt) = tw.stamp
		tw.refs = make([]*twin, len(p.fields(tw)))
	}
	i := p.target()
	p.roots[i], p.t.Stack[i] = tw, r
	return nil
}

// target picks a root to overwrite: the first ones often, the last ones hardly ever, so that some objects get old.
func (p *Program) target() int { return p.rng.IntN(1 + p.rng.IntN(1+p.rng.IntN(len(p.roots)))) }

// fields are the offsets of a struct's references.
func (p *Program) fields(tw *twin) []uint32 { return p.t.vm.Heap.Mem.Types.All()[tw.typ].Refs }

func (p *Program) offset(tw *twin, i int) uint32 {
	if tw.typ == p.types[typeRefs] {
		return heap.HeaderSize + uint32(i)*4
	}
	return p.fields(tw)[i]
}

// store writes a reference, or null, into an object.
func (p *Program) store() {
	i, k := p.rng.IntN(len(p.roots)), p.rng.IntN(len(p.roots))
	f := p.rng.Uint32()
	tw := p.roots[i]
	if tw == nil || len(tw.refs) == 0 {
		return
	}
	at := int(f % uint32(len(tw.refs)))
	tw.refs[at] = p.roots[k]
	p.t.Write(p.t.Stack[i], p.offset(tw, at), p.t.Stack[k])
}

// bulk copies a part of an array of references to another one, or fills one.
func (p *Program) bulk() {
	i, k, fill := p.rng.IntN(len(p.roots)), p.rng.IntN(len(p.roots)), p.rng.IntN(3) == 0
	f, g, n := p.rng.Uint32(), p.rng.Uint32(), p.rng.Uint32()
	dst, src := p.roots[i], p.roots[k]
	if dst == nil || dst.typ != p.types[typeRefs] || dst.length == 0 {
		return
	}
	f %= dst.length
	if fill {
		n %= dst.length - f + 1
		for j := f; j < f+n; j++ {
			dst.refs[j] = src
		}
		p.t.FillRefs(p.t.Stack[i], f, n, p.t.Stack[k])
		return
	}
	if src == nil || src.typ != p.types[typeRefs] || src.length == 0 {
		return
	}
	g %= src.length
	n %= min(dst.length-f, src.length-g) + 1
	copy(dst.refs[f:f+n], src.refs[g:g+n])
	p.t.CopyRefs(p.t.Stack[i], f, p.t.Stack[k], g, n)
}

func (p *Program) immediate() {
	i := p.rng.IntN(len(p.roots))
	f := p.rng.Uint32()
	tw := p.roots[i]
	if tw == nil || len(tw.refs) == 0 {
		return
	}
	at := int(f % uint32(len(tw.refs)))
	tw.refs[at] = nil
	p.t.Write(p.t.Stack[i], p.offset(tw, at), f|1)
}

// Write stores a reference into an object, with the barrier that the plan asks for.
func (t *Thread) Write(obj, off, ref uint32) {
	mem := t.vm.Heap.Mem
	*mem.Slot(obj + off) = ref
	if t.barrier && mem.Log.Test(obj) {
		t.Remember(obj)
	}
}

// load makes an object that another one refers to a root.
func (p *Program) load() error {
	i, k := p.rng.IntN(len(p.roots)), p.target()
	f := p.rng.Uint32()
	tw := p.roots[i]
	if tw == nil || len(tw.refs) == 0 {
		return nil
	}
	at := int(f % uint32(len(tw.refs)))
	r := *p.t.vm.Heap.Mem.Slot(p.t.Stack[i] + p.offset(tw, at))
	if tw.refs[at] == nil {
		if heap.IsObject(r) {
			return &MismatchError{fmt.Sprintf("field %d of %#x is %#x, want none", at, p.t.Stack[i], r)}
		}
		r = 0
	}
	p.roots[k], p.t.Stack[k] = tw.refs[at], r
	return nil
}

// Verify compares everything that is reachable with the model, and returns a *MismatchError if they differ.
func (p *Program) Verify() error {
	mem := p.t.vm.Heap.Mem
	seen := map[*twin]uint32{}
	back := map[uint32]*twin{}
	type pair struct {
		tw *twin
		r  uint32
	}
	var work []pair
	visit := func(tw *twin, r uint32, where string) error {
		if tw == nil {
			if heap.IsObject(r) {
				return &MismatchError{fmt.Sprintf("%s is %#x, want none", where, r)}
			}
			return nil
		}
		if old, ok := seen[tw]; ok {
			if old != r {
				return &MismatchError{fmt.Sprintf("%s is %#x, elsewhere it is %#x", where, r, old)}
			}
			return nil
		}
		if !heap.IsObject(r) || mem.SpaceOf(r) == 0 || back[r] != nil {
			return &MismatchError{fmt.Sprintf("%s is %#x, which is no object of its own", where, r)}
		}
		seen[tw], back[r] = r, tw
		work = append(work, pair{tw, r})
		return nil
	}
	for i, tw := range p.roots {
		if err := visit(tw, p.t.Stack[i], fmt.Sprintf("root %d", i)); err != nil {
			return err
		}
	}
	for len(work) > 0 {
		x := work[len(work)-1]
		work = work[:len(work)-1]
		if mem.TypeOf(x.r) != x.tw.typ || mem.Length(x.r) != x.tw.length {
			return &MismatchError{fmt.Sprintf("%#x has type %d and length %d, want %d and %d", x.r, mem.TypeOf(x.r), mem.Length(x.r), x.tw.typ, x.tw.length)}
		}
		if x.tw.stamp != 0 && *mem.Word(x.r + stampAt) != x.tw.stamp {
			return &MismatchError{fmt.Sprintf("%#x has stamp %d, want %d", x.r, *mem.Word(x.r + stampAt), x.tw.stamp)}
		}
		if x.tw.typ == p.types[typeBytes] && x.tw.length > 0 {
			if b := mem.Bytes(x.r+heap.HeaderSize, int(x.tw.length)); uint32(b[x.tw.length-1]) != x.tw.raw {
				return &MismatchError{fmt.Sprintf("bytes %#x end with %d, want %d", x.r, b[x.tw.length-1], x.tw.raw)}
			}
		}
		for i, tw := range x.tw.refs {
			if err := visit(tw, *mem.Slot(x.r + p.offset(x.tw, i)), fmt.Sprintf("field %d of %#x", i, x.r)); err != nil {
				return err
			}
		}
	}
	return nil
}
