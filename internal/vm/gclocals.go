package vm

import (
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// localSet is what host code on a thread may name by raw words: objects and host values of the heap, and exceptions. Objects in it do not move. It is a stack:
// what a host function gets goes when it returns (like JNI's local references).
//
// Only the goroutine that owns the thread adds and removes; with the thread in a host function it has Heap.host, so that a collection reads the set in peace.
type localSet struct {
	mu   sync.Mutex       // for host code on other goroutines, which asks has
	refs []Ref            // guarded by mu
	set  map[Ref]struct{} // guarded by mu; of refs, nil while they are few
	exns []Ref            // guarded by mu
}

// fewLocals is up to how many references a set is searched without a map.
const fewLocals = 16

func (l *localSet) hasLocked(r Ref) bool {
	if l.set == nil {
		return slices.Contains(l.refs, r)
	}
	_, ok := l.set[r]
	return ok
}

func (l *localSet) has(r Ref) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hasLocked(r)
}

// add adds a word of the any or extern hierarchy, unless it stands for itself.
func (l *localSet) add(r Ref) {
	if r == NullRef || IsI31(r) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hasLocked(r) {
		return
	}
	l.refs = append(l.refs, r)
	if l.set == nil && len(l.refs) > fewLocals {
		l.set = make(map[Ref]struct{}, 4*fewLocals)
		for _, r := range l.refs {
			l.set[r] = struct{}{}
		}
	} else if l.set != nil {
		l.set[r] = struct{}{}
	}
}

// addTyped adds values of canonical types in slot form.
func (l *localSet) addTyped(ts *wasm.TypeSpace, types []wasm.ValType, slots []uint64) {
	i := 0
	for _, t := range types {
		if t.IsRef() {
			switch ts.TopOf(t) {
			case wasm.HeapAny, wasm.HeapExtern:
				l.add(Ref(slots[i]))
			case wasm.HeapExn:
				l.addExn(Ref(slots[i]))
			}
		}
		i += t.Slots()
	}
}

func (l *localSet) addExn(r Ref) {
	if r != NullRef {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.exns = append(l.exns, r)
	}
}

// localMark is a height of the set.
type localMark struct{ refs, exns int }

func (l *localSet) mark() localMark { return localMark{len(l.refs), len(l.exns)} }

// truncate removes what was added since a mark.
func (l *localSet) truncate(m localMark) {
	if len(l.refs) <= m.refs && len(l.exns) <= m.exns {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.set != nil {
		for _, r := range l.refs[m.refs:] {
			delete(l.set, r)
		}
		if m.refs <= fewLocals {
			l.set = nil
		}
	}
	l.refs, l.exns = l.refs[:m.refs], l.exns[:m.exns]
}

// visit visits everything, while nobody changes it.
func (l *localSet) visit(ref func(Ref), exn func(Ref)) {
	for _, r := range l.refs {
		ref(r)
	}
	for _, r := range l.exns {
		exn(r)
	}
}

// ArgumentsTaken is called by an engine when the arguments of a call are in the guest's frame. With it ends what host code outside of any call was
// given: the thread's collections now know those references that count.
func (t *Thread) ArgumentsTaken() {
	if t.heap != nil && len(t.Activations) == 1 && t.nestings == 0 {
		t.locals.truncate(localMark{})
		t.keeps = false
	}
}

// ResultsGiven is called by an engine when a call is over, before the thread is back with the host code that asked for it: the results are that
// code's local references, or the exception that ended the call is.
func (t *Thread) ResultsGiven(types []wasm.ValType, slots []uint64, err error) {
	if t.heap == nil {
		return
	}
	if x, ok := err.(*Exception); ok { //nolint:errorlint // the engine's own
		t.locals.addExn(x.Ref)
	} else if err == nil {
		t.locals.addTyped(t.heap.types.ts, types, slots)
	}
}

// ResultsKept is ResultsGiven for a call that went on in a clone. Who wants the results may ask a clone of the clone for them as well, however shortly before
// its end the thread was cloned: they stay local references there.
func (t *Thread) ResultsKept(types []wasm.ValType, slots []uint64, err error) {
	t.ResultsGiven(types, slots, err)
	t.keeps = err == nil
}

// clone makes a set the same as another one, of a thread that stands.
func (l *localSet) clone(from *localSet) {
	from.mu.Lock()
	defer from.mu.Unlock()
	for _, r := range from.refs {
		l.add(r)
	}
	l.exns = slices.Clone(from.exns)
}

// beginLocals is the start of a host function: its arguments are local references until it returns. A thread on its way there is not in a host function
// yet, so no collection looks; but if one called the other, it is.
func (t *Thread) beginLocals(f, outer *HostFunc, slots []uint64) localMark {
	if outer != nil {
		t.heap.host.RLock()
		defer t.heap.host.RUnlock()
	}
	m := t.locals.mark()
	t.locals.addTyped(t.heap.types.ts, f.params, slots)
	return m
}

// endLocals is its end. What it returns must be fit to go on in guest code.
func (t *Thread) endLocals(m localMark, f, outer *HostFunc, slots []uint64, err *error) {
	if outer != nil {
		t.heap.host.RLock()
		defer t.heap.host.RUnlock()
	}
	if *err == nil && f.results != nil {
		*err = t.checkRefs(f.results, slots)
	}
	var ex *Exception
	if x, ok := (*err).(*Exception); ok { //nolint:errorlint // one that is wrapped is pinned by whoever unwraps it
		ex = x
	}
	t.locals.truncate(m)
	if outer == nil {
		return
	}
	if ex != nil {
		t.locals.addExn(ex.Ref)
	} else if *err == nil {
		t.locals.addTyped(t.heap.types.ts, f.results, slots)
	}
}
