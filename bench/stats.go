package main

import (
	"math"
	"slices"
	"time"
)

// A Sample holds one row's times on one engine, in the order they were taken.
type Sample struct {
	Times []time.Duration `json:"ns"`
}

func (s *Sample) add(d time.Duration) { s.Times = append(s.Times, d) }

// min is the run that other work on the machine disturbed least.
func (s *Sample) min() time.Duration { return slices.Min(s.Times) }

// median is the mean of the two middle runs when their number is even.
func (s *Sample) median() time.Duration {
	t := slices.Sorted(slices.Values(s.Times))
	if n := len(t); n%2 == 0 {
		return (t[n/2-1] + t[n/2]) / 2
	}
	return t[len(t)/2]
}

// geomean is NaN for no values.
func geomean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}
