// Package plan has what all plans are made of. A plan is an algorithm: which spaces a heap has, where mutators allocate, and what a
// collection does. Each is a folder with the same files: doc.go, plan.go (the spaces and their rules), mutator.go (allocation), collect.go (what
// happens in a collection).
package plan

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Barrier is what a mutator must do at a write of a reference into an object.
type Barrier uint8

const (
	// NoBarrier: nothing.
	NoBarrier Barrier = iota
	// ObjectBarrier: after the write, if the object's Log bit is set, clear it and remember the object (Mutator.Remember).
	ObjectBarrier
)

// Constraints tell an engine what code to make, as data.
type Constraints struct {
	Name    string
	Moves   bool // objects may move in a collection: references in registers and stacks must be told, and change
	Barrier Barrier
	// MaxSmall is the size in bytes up to which a mutator's Bump may be used; larger objects go through Mutator.Alloc.
	MaxSmall uint32
	// Collects: false if memory never comes back.
	Collects bool
	// Generational: collections may be of young objects only. Live objects get their Log bit, for the barrier.
	Generational bool
}

// Plan is an algorithm, for one heap.
type Plan interface {
	Constraints() Constraints
	// InitMutator sets a mutator's allocators.
	InitMutator(m *Mutator)
	// InitTracer sets a worker's copy allocators.
	InitTracer(t *policy.Tracer)
	// Full decides whether the next collection is of the whole heap; wanted tells that somebody asked for it, or that one has just not made enough
	// room. Plans that are not generational say yes.
	Full(wanted bool) bool
	// Prepare begins a collection. The world stands, and the mutators' allocators have been reset.
	Prepare(full bool)
	// Release ends it: what is alive has been found. It gives back blocks.
	Release(full bool)
	// Spaces are the plan's own spaces, by heap.SpaceID from FirstSpace on.
	Spaces() []policy.Space
	// Due decides whether a collection comes before mutators may have n blocks more than those in use, for a space, the budget apart: room for copies is
	// needed, or the young are to be looked at. Mutators ask while others run.
	Due(inUse, n int64, space heap.SpaceID) bool
}

// Compactor is a Plan whose objects move after all live ones have been found.
type Compactor interface {
	Plan
	// Places decides where live objects go, adds packets to scheduler.Forward that update the references in the plan's own objects, and returns what
	// says where an object goes.
	Places() func(heap.Ref) heap.Ref
	// Compact moves the objects.
	Compact()
}

// SpaceIDs that all plans have.
const (
	largeSpace heap.SpaceID = iota + 1
	imageSpace
	immortalSpace
	fixedSpace
	// FirstSpace is the number of a plan's first own space.
	FirstSpace
)
