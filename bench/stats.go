package main

import (
	"math"
	"slices"
	"time"
)

// A Sample holds one row's times on one engine, in the order they were taken.
type Sample struct {
	Times []time.Duration `json:"ns"`
	// CPU is the processor time of the runs, where that is noted beside the clock's.
	CPU []time.Duration `json:"cpu_ns,omitempty"`
}

func (s *Sample) add(d time.Duration) { s.Times = append(s.Times, d) }

// min is the run that other work on the machine disturbed least.
func (s *Sample) min() time.Duration { return slices.Min(s.Times) }

func (s *Sample) median() time.Duration { return median(s.Times) }

// percentile is the smallest value that p of a hundred values do not exceed.
func (s *Sample) percentile(p int) time.Duration {
	v := slices.Sorted(slices.Values(s.Times))
	return v[(len(v)*p+99)/100-1]
}

// median is the mean of the two middle values when their number is even. There
// must be one.
func median[T ~int64 | ~float64](v []T) T {
	n := len(v)
	v = slices.Sorted(slices.Values(v))
	if n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[n/2]
}

// geomean is NaN for no values.
func geomean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}
