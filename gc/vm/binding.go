// Package vm is what a virtual machine supplies to the toolkit: how its mutators stop, and where its roots are.
package vm

// Slots is told of roots: places that hold references, which the collector may change. It is used by one goroutine at a time.
type Slots interface {
	// Slot is told of a 32-bit place outside of the heap that holds a reference, or a word that is none (heap.IsObject).
	Slot(p *uint32)
	// Pinned is told of a root that cannot be changed: its object stays where it is.
	Pinned(ref uint32)
}

// Thread is the VM's name for a mutator's thread. The toolkit hands it back and does nothing else with it.
type Thread = any

// Binding is the VM of one heap.
//
// Order in a collection: StopMutators; then, by several workers at the same time, Roots for each mutator and GlobalRoots; Foreign during
// the trace; WeakRefs once what is reachable from roots has been found, until it returns false; ResumeMutators.
//
// Roots are told several times, for pins, for the trace, by some plans once more to be updated, and for checks: the same ones each time. None of
// the methods but Block may wait for a mutator.
type Binding interface {
	// StopMutators brings every mutator to a stop and returns when they all stand, with their roots known. A mutator in Block stands. It runs on a GC worker.
	StopMutators()
	// ResumeMutators lets them go on.
	ResumeMutators()
	// Block runs wait on the goroutine of the mutator, which counts as standing meanwhile. It returns when wait has returned and mutators may run.
	Block(t Thread, wait func())
	// Roots tells the roots of one mutator: its stack, its registers, what is its own.
	Roots(t Thread, s Slots)
	// GlobalRoots tells all other roots.
	GlobalRoots(s Slots)
	// Foreign is told the words of foreign fields (heap.ForeignField) of live objects. Several workers call it at the same time, more than
	// once for the same word.
	Foreign(class uint8, word uint32)
	// WeakRefs is for tables of the VM's own; weak fields, ephemerons and finalizers are in package weak, and finalizers come after it: what they keep alive is not
	// alive yet. Tables that Foreign fills are therefore swept in ResumeMutators.
	//
	// It is called when all objects that are reachable so far have been found. It may keep further ones alive by trace, which returns the object's
	// place, and ask by live. If it kept any, it returns true and is called again when what they reach has been found; otherwise it drops its weak
	// references to objects that are not alive and updates the others by trace. A plan that moves objects at the end calls it, Roots and GlobalRoots
	// once more, to update what refers to them.
	WeakRefs(live func(ref uint32) bool, trace func(ref uint32) uint32) (again bool)
}
