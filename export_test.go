package spindle

// Waiters counts the threads that wait on the memory (memory.atomic.wait).
func (m *Memory) Waiters() int { return m.m.Waiters() }

// LiveRegions is the number of stacks, stores and memories that the Runtime's Processes have not given back.
func (r *Runtime) LiveRegions() int { return r.pools.Live() }

// ForgetTreeCount makes the next use of TreeLimits.PrivateBytes count.
func (p *Process) ForgetTreeCount() { p.treeOf().forgetCount() }
