package vm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/policy/image"
	"github.com/spindle-wasm/spindle/gc/weak"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// A GC heap in a file is its pages as they are, the plan's state, and for each type of each module the number that headers of objects name it by: that of the
// writer's Runtime. In a Runtime that gives the types the same numbers the pages are mapped and not read; in another one the headers are changed, in pages of the
// image's own. The functions here and in snapshot_readheap.go go together.

// warmed returns an image with the same threads whose heap has all objects in its image, as gc.Ticket.State wants it, and no dead host values, which cannot be written:
// img itself, or a copy, collected and moved together. It is img's.
func (img *Image) warmed() (*Image, error) {
	if _, err := img.heap.ticket.State(); err == nil && img.heap.refs.hostValue() == nil || err != nil && !errors.Is(err, gc.ErrNotWarm) {
		return img, err
	}
	img.heap.mu.Lock()
	defer img.heap.mu.Unlock()
	if img.heap.warm != nil {
		return img.heap.warm, nil
	}
	threads, err := img.Fork(ForkConfig{})
	if err != nil {
		return nil, err
	}
	warm, err := Freeze(img.pools, threads, threads[0].Store, true)
	for _, t := range slices.Backward(threads) { // the main thread's heap goes last
		t.Close()
	}
	img.Done()
	img.heap.warm = warm
	return warm, err
}

func (x *snapshotWriter) heap(img *Image) {
	x.Bool(img.heap != nil)
	if img.heap == nil {
		return
	}
	s, err := img.heap.ticket.State()
	if err != nil {
		panic(&SnapshotError{"the garbage-collected heap", err})
	}
	// Whatever objects refer to beside the heap; what is dead has gone with the last collection.
	x.refs(img.heap.refs)
	x.heapState(&s)
	x.Uint(x.AddPages(img.heap.ticket.Image()))
	x.types()
}

func (x *snapshotWriter) heapState(s *gc.State) {
	x.String(s.Plan)
	for _, n := range []int64{s.MaxBytes, s.MinBytes, s.NurseryBytes} {
		x.Uint(uint64(n))
	}
	x.Word(math.Float64bits(s.Balance))
	x.Uint(uint64(s.Memory.Blocks))
	x.Uint(uint64(s.Memory.Limit))
	x.Words(s.Memory.Taken)
	x.Words(s.Memory.Dirty)
	x.Uint(s.Collections)
	slices.SortFunc(s.Foreign, func(a, b image.Foreign) int { // equal images have equal files
		return int(int64(a.Class)<<32|int64(a.Word)) - int(int64(b.Class)<<32|int64(b.Word))
	})
	x.Uint(uint64(len(s.Foreign)))
	for _, f := range s.Foreign {
		x.Uint(uint64(f.Class))
		x.Uint(uint64(f.Word))
	}
	x.objects(s.Written)
	x.objects(s.Remembered.Objects)
	x.Uint(uint64(len(s.Remembered.Slices)))
	for _, l := range s.Remembered.Slices {
		x.Uint(uint64(l.Array))
		x.Uint(uint64(l.First))
		x.Uint(uint64(l.N))
	}
	var pinned []gc.Ref
	for r := range s.Pins {
		pinned = append(pinned, r)
	}
	slices.Sort(pinned)
	x.objects(pinned)
	for _, r := range pinned {
		x.Uint(uint64(s.Pins[r]))
	}
	for _, l := range [][]weak.Candidate{s.Waiting, s.Ready} {
		x.Uint(uint64(len(l)))
		for _, c := range l {
			x.Uint(uint64(c.Ref))
			x.Word(c.Tag)
		}
	}
}

func (x *snapshotWriter) objects(refs []gc.Ref) {
	x.Uint(uint64(len(refs)))
	for _, r := range refs {
		x.Uint(uint64(r))
	}
}

// types writes the numbers that headers name the modules' types by, and a checksum of how objects of these lie.
func (x *snapshotWriter) types() {
	mods := x.modules()
	x.Uint(uint64(len(mods)))
	for _, m := range mods {
		x.Uint(uint64(len(m.TypeIDs)))
		for _, id := range m.TypeIDs {
			x.Uint(uint64(id))
		}
	}
	sum := layoutsDigest(mods)
	x.Blob(sum[:])
}

// modules returns the modules of the first thread's instances by their numbers in the file.
func (x *snapshotWriter) modules() (mods []*wasm.Module) {
	for _, i := range x.threads[0].Store.Instances {
		k := x.module(i.Module)
		for k >= len(mods) {
			mods = append(mods, nil)
		}
		mods[k] = i.Module
	}
	return mods
}

// layoutsDigest is a checksum of the layouts of modules' types: where fields lie is the engine's matter, and might change.
func layoutsDigest(mods []*wasm.Module) [32]byte {
	var b []byte
	add := func(n ...uint32) {
		for _, n := range n {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
	}
	for _, m := range mods {
		for _, id := range m.TypeIDs {
			l := LayoutOf(m.TypeSpace(), id)
			if l == nil {
				add(0)
				continue
			}
			add(1, uint32(l.Kind), l.Size, l.Elem.Off, uint32(l.Elem.Kind), uint32(l.ElemShift), uint32(len(l.Fields)))
			for _, f := range l.Fields {
				add(f.Off, uint32(f.Kind))
			}
		}
	}
	return sha256.Sum256(b)
}
