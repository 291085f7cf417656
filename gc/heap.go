package gc

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/plan/genimmix"
	"github.com/spindle-wasm/spindle/gc/plan/immix"
	"github.com/spindle-wasm/spindle/gc/plan/markcompact"
	"github.com/spindle-wasm/spindle/gc/plan/marksweep"
	"github.com/spindle-wasm/spindle/gc/plan/nogc"
	"github.com/spindle-wasm/spindle/gc/plan/pageprotect"
	"github.com/spindle-wasm/spindle/gc/plan/semispace"
	"github.com/spindle-wasm/spindle/gc/plan/stickyimmix"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Names of the parts, for users of this package only.
type (
	// Ref is a reference to an object; see package heap.
	Ref = heap.Ref
	// Type is what a collector must know of an object.
	Type = heap.Type
	// TypeID is a type of a heap.
	TypeID = heap.TypeID
	// Types are the types of one or several heaps.
	Types = heap.Types
	// Mutator is what one thread of the VM allocates with.
	Mutator = plan.Mutator
	// Options size a heap.
	Options = plan.Options
	// Constraints tell an engine what code to make for a heap; see Heap.Constraints.
	Constraints = plan.Constraints
	// Collection tells of a collection that is over.
	Collection = plan.Collection
	// Semantics is what a VM wants of an object for all its life.
	Semantics = plan.Semantics
	// SizeError says that an object is larger than any heap allows.
	SizeError = plan.SizeError
)

// ObjectBarrier is the Constraints.Barrier of heaps whose writes are to be remembered; see package barrier.
const ObjectBarrier = plan.ObjectBarrier

// ErrOutOfMemory is returned by allocations that a last full collection has not made room for.
var ErrOutOfMemory = plan.ErrOutOfMemory

// plans by lower-case name.
var plans = map[string]func(*plan.Base) plan.Plan{
	"genimmix":    genimmix.New,
	"immix":       immix.New,
	"markcompact": markcompact.New,
	"marksweep":   marksweep.New,
	"nogc":        nogc.New,
	"pageprotect": pageprotect.New,
	"semispace":   semispace.New,
	"stickyimmix": stickyimmix.New,
}

// DefaultPlan is used if Config.Plan is empty.
const DefaultPlan = "stickyimmix"

// Plans returns the names of all plans, sorted.
func Plans() []string { return slices.Sorted(maps.Keys(plans)) }

// Config configures a Heap.
type Config struct {
	// Plan is the name of an algorithm, in any case; see Plans.
	Plan string
	// New makes a plan that is none of these, in place of Plan: how to write one is in docs/gc/tutorial.md.
	New func(*plan.Base) plan.Plan
	plan.Options
}

// PlanError says that there is no plan of a name.
type PlanError struct{ Name string }

func (e *PlanError) Error() string {
	return fmt.Sprintf("gc: no plan %q; there are %s", e.Name, strings.Join(Plans(), ", "))
}

// Heap is a garbage-collected heap. Its methods are safe for concurrent use where they do not say otherwise.
type Heap struct {
	*plan.Base
}

// New makes a heap for a VM.
func New(b vm.Binding, cfg Config) (*Heap, error) {
	make, err := cfg.maker()
	if err != nil {
		return nil, err
	}
	base, err := plan.New(b, cfg.Options, make)
	if err != nil {
		return nil, err
	}
	return &Heap{base}, nil
}

// maker is what makes the plan.
func (cfg *Config) maker() (func(*plan.Base) plan.Plan, error) {
	if cfg.New != nil {
		return cfg.New, nil
	}
	name := cfg.Plan
	if name == "" {
		name = DefaultPlan
	}
	if make := plans[strings.ToLower(name)]; make != nil {
		return make, nil
	}
	return nil, &PlanError{name}
}
