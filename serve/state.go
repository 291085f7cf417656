package serve

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// state is what a Server is doing, for metrics and the status page.
type state struct {
	Point    string  `json:"point"`
	Uptime   float64 `json:"uptime_seconds"`
	Closed   bool    `json:"closed"`
	Live     int64   `json:"children"`
	Max      int     `json:"children_max"`
	Queued   int64   `json:"queued"`
	QueueMax int64   `json:"queue_max"`

	Requests uint64            `json:"requests"` // answers and connections
	Statuses map[string]uint64 `json:"statuses"`
	Errors   map[string]uint64 `json:"errors"`
	Latency  distribution      `json:"latency_seconds"`
	Forks    distribution      `json:"fork_seconds"`
	OwnAtEnd distribution      `json:"child_private_bytes"`

	Generation     int    `json:"generation"`
	Reforks        uint64 `json:"reforks"`
	ReforkFailures uint64 `json:"refork_failures"`
	ReforkError    string `json:"refork_error"` // the last one's
	ReforkAfter    int    `json:"refork_after"`
	ReforkSince    int    `json:"refork_since"` // requests
	ReforkWaits    bool   `json:"refork_waits"` // for requests
	Retired        uint64 `json:"generations_retired"`

	Measured    bool              `json:"measured"` // the system tells what memory is shared
	Shared      uint64            `json:"shared_bytes"`
	Private     uint64            `json:"private_bytes"`
	Generations []generationState `json:"generations"` // the newest first
}

// distribution is a histogram as people read it.
type distribution struct {
	Count   uint64    `json:"count"`
	P50     float64   `json:"p50"`
	P90     float64   `json:"p90"`
	P99     float64   `json:"p99"`
	Bounds  []float64 `json:"bounds"`
	Buckets []uint64  `json:"buckets"` // one more than bounds
}

type generationState struct {
	Generation
	Current  bool         `json:"current"`
	Forks    uint64       `json:"forks"`
	Live     int64        `json:"children"`
	Image    uint64       `json:"image_bytes"`
	Shared   uint64       `json:"shared_bytes"` // of the children
	Private  uint64       `json:"private_bytes"`
	Children []childState `json:"list"`
	More     int          `json:"more"` // that are not in the list
}

type childState struct {
	PID     uint32  `json:"pid"`
	What    string  `json:"what"`
	Heir    bool    `json:"heir"`
	Age     float64 `json:"age_seconds"`
	Shared  uint64  `json:"shared_bytes"`
	Private uint64  `json:"private_bytes"`
}

// maxListed bounds the children that are listed one by one.
const maxListed = 100

func (h *histogram) distribution(bounds []float64) distribution {
	d := distribution{Count: h.count(), P50: h.quantile(.5, bounds), P90: h.quantile(.9, bounds), P99: h.quantile(.99, bounds), Bounds: bounds}
	for i := range len(bounds) + 1 {
		d.Buckets = append(d.Buckets, h.buckets[i].Load())
	}
	return d
}

// state takes stock. It scans the page tables of all children that live.
func (s *Server) state() state {
	m, now := &s.metrics, time.Now()
	st := state{
		Point: string(s.cfg.At), Uptime: now.Sub(s.begun).Seconds(), Max: cap(s.slots.free), QueueMax: s.slots.queue,
		Queued: max(0, s.slots.queued.Load()), Statuses: map[string]uint64{}, Errors: map[string]uint64{}, ReforkAfter: s.cfg.ReforkAfter,
		Latency: m.latency.distribution(latencyBuckets), Forks: m.forks.distribution(forkBuckets), OwnAtEnd: m.private.distribution(memoryBuckets),
	}
	if s.cfg.Guest != nil {
		st.Point = "host code"
	}
	s.countInto(&st)
	s.mu.Lock()
	r := &s.refork
	st.Closed, st.Reforks, st.ReforkFailures, st.ReforkSince, st.ReforkWaits, st.Retired = s.gen == nil, r.done, r.failed, r.since, len(r.waiting) > 0, r.retired
	if r.lastErr != nil {
		st.ReforkError = r.lastErr.Error()
	}
	gens := slices.Clone(s.old)
	if s.gen != nil {
		gens = append(gens, s.gen)
		st.Generation = s.gen.number
	}
	s.mu.Unlock()
	slices.Reverse(gens)
	place := map[*generation]int{}
	for i, g := range gens {
		place[g] = i
		st.Generations = append(st.Generations, generationState{Generation: g.info(), Current: i == 0 && !st.Closed, Forks: g.forks.Load(), Image: g.size.Shared + g.size.Private})
	}
	kids := s.kids.list()
	slices.SortFunc(kids, func(a, b *child) int { return cmp.Compare(a.p.PID(), b.p.PID()) })
	st.Measured = true
	for _, c := range kids {
		i, ok := place[c.of.gen]
		if !ok {
			continue // of a generation that has come meanwhile
		}
		g := &st.Generations[i]
		u, err := c.p.MemoryUse()
		if err != nil {
			st.Measured = false
		}
		st.Live++
		g.Live++
		g.Shared, g.Private = g.Shared+u.Shared, g.Private+u.Private
		st.Shared, st.Private = st.Shared+u.Shared, st.Private+u.Private
		if st.Live > maxListed {
			g.More++
			continue
		}
		g.Children = append(g.Children, childState{c.p.PID(), c.what, c.of.heir, now.Sub(c.begun).Seconds(), u.Shared, u.Private})
	}
	return st
}

// countInto tells what requests and connections came to.
func (s *Server) countInto(st *state) {
	m := &s.metrics
	for status := range m.statuses {
		if n := m.statuses[status].Load(); n > 0 {
			st.Statuses[strconv.Itoa(status)] = n
			st.Requests += n
		}
	}
	for k, name := range endNames {
		if n := m.ends[k].Load(); n > 0 {
			st.Statuses[name] = n
			st.Requests += n
		}
	}
	for k := kindNone + 1; k < numKinds; k++ {
		if n := m.errors[k].Load(); n > 0 {
			st.Errors[kindNames[k]] = n
		}
	}
}
