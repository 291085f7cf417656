package spindle

import (
	"context"
	"slices"
)

// Waiters counts the threads that wait on the memory (memory.atomic.wait).
func (m *Memory) Waiters() int { return m.m.Waiters() }

// LiveRegions is the number of stacks, stores and memories that the Runtime's Processes have not given back.
func (r *Runtime) LiveRegions() int { return r.pools.Live() }

// ForgetTreeCount makes the next use of TreeLimits.PrivateBytes count.
func (p *Process) ForgetTreeCount() { p.treeOf().forgetCount() }

// HasFinished puts the Process into the state of a child between the end of the call of f that it went on with, which gave the results, and its own end.
func HasFinished(ctx context.Context, f *Func, results []uint64) error {
	p := f.p
	leave, err := p.thread.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	j := resumed(p, f)
	j.next, j.results = 1, slices.Clone(results)
	copy(j.steps[0].slots, results)
	p.thread.ResultsKept(f.typ.Results, results, nil)
	p.caller.job = j
	return nil
}
