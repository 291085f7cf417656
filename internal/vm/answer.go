package vm

import (
	"errors"
	"fmt"
	"time"
)

// callAgain is a host call that was in flight when the thread was cloned. It is not changed once the clone may run.
type callAgain struct {
	answer  *Answer       // nil: the host function gives it
	elapsed time.Duration // how long it had waited
}

// Answer is what a host call that a clone makes again gives, in place of the host function's: data, so that it can be in a file.
type Answer struct {
	// Results are the call's, in slot form. They are no references.
	Results []uint64
	// Writes are made before that into the caller's memory 0.
	Writes []AnswerWrite
}

// AnswerWrite is bytes for a place in a memory.
type AnswerWrite struct {
	Addr  uint64
	Bytes []byte
}

var errAnswerRefs = errors.New("an answer cannot give references")

// check says why a does not answer a call of f that t is to make, or makes.
func (a *Answer) check(t *Thread, f *HostFunc) error {
	if f.results != nil {
		return errAnswerRefs
	}
	if len(a.Results) != f.Results {
		return fmt.Errorf("an answer of %d slots to a call of %s, which has %d", len(a.Results), f.Name, f.Results)
	}
	for _, w := range a.Writes {
		ms := t.Current().Memories
		if len(ms) == 0 || w.Addr > ms[0].Len() || ms[0].Len()-w.Addr < uint64(len(w.Bytes)) {
			return fmt.Errorf("an answer writes %d bytes at %#x, beyond the memory", len(w.Bytes), w.Addr)
		}
	}
	return nil
}

// CheckAnswer says why a cannot answer the host call that t is in.
func (t *Thread) CheckAnswer(a *Answer) error { return a.check(t, t.inHost.Load()) }

// SetAnswer has a serve the host call that t, the clone of a thread in one, makes again. t has not run.
func (t *Thread) SetAnswer(a *Answer) { t.again = &callAgain{answer: a, elapsed: t.again.elapsed} }

// Answered reports whether t is a clone that has an answer for the call that it is to make again.
func (t *Thread) Answered() bool { return t.again != nil && t.again.answer != nil }

func (t *Thread) callAgain(f *HostFunc, slots []uint64) error {
	defer func() { t.again = nil }()
	a := t.again.answer
	if a == nil {
		return f.Fn(t, slots)
	}
	if err := a.check(t, f); err != nil { // out of a file it may be anything
		return err
	}
	for _, w := range a.Writes {
		copy(t.Current().Memories[0].Bytes()[w.Addr:], w.Bytes)
	}
	copy(slots, a.Results)
	return nil
}

// again describes the call that a clone of t makes again, nil if it makes none.
func (t *Thread) cloneAgain() *callAgain {
	// Who blocks in a call that is made again already has counted what it had waited before.
	if s := t.since.Load(); s != 0 {
		return &callAgain{elapsed: max(0, time.Since(timeOf(s)))}
	}
	if t.again != nil {
		return t.again
	}
	if t.inHost.Load() != nil {
		return &callAgain{}
	}
	return nil
}
