package spindle

// LiveRegions is the number of stacks, stores and memories that the Runtime's Processes have not given back.
func (r *Runtime) LiveRegions() int { return r.pools.Live() }
