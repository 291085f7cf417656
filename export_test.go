package spindle

// Waiters counts the threads that wait on the memory (memory.atomic.wait).
func (m *Memory) Waiters() int { return m.m.Waiters() }

// LiveRegions is the number of stacks, stores and memories that the Runtime's Processes have not given back.
func (r *Runtime) LiveRegions() int { return r.pools.Live() }

// PIDs are the processes that wait.
func (s *Standbys) PIDs() (pids []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.idle {
		pids = append(pids, p.proc.PID())
	}
	return pids
}

// ForgetTreeCount makes the next use of TreeLimits.PrivateBytes count.
func (p *Process) ForgetTreeCount() { p.treeOf().forgetCount() }
