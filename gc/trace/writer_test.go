package trace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/mockvm"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/trace"
)

// The trace of a heap is one JSON array; each collection has its packets within it, those of a worker one after the other.
func TestTraceOfAHeap(t *testing.T) {
	var out bytes.Buffer
	w := trace.New(&out)
	v, err := mockvm.New(gc.Config{Plan: "immix", Options: plan.Options{MaxBytes: 8 << 20, Workers: 3, Trace: w}})
	if err != nil {
		t.Fatal(err)
	}
	th := v.NewThread()
	for range 5 {
		if err := v.Heap.Collect(th.Mutator, true); err != nil {
			t.Fatal(err)
		}
	}
	th.Exit()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var events []struct {
		Name, Ph string
		Tid      int
		Ts, Dur  float64
		Args     map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &events); err != nil {
		t.Fatal(err)
	}
	collections, end := 0, map[int]float64{}
	packets := map[string]int{}
	for _, e := range events {
		if e.Ph != "X" || e.Name == "" || e.Dur < 0 {
			t.Errorf("event %+v", e)
		}
		if e.Name == "collection" {
			collections++
			if e.Tid != 0 || e.Args["full"] != true {
				t.Errorf("collection %+v", e)
			}
			continue
		}
		packets[e.Name]++
		if e.Tid < 1 || e.Tid > 3 || e.Ts < end[e.Tid] {
			t.Errorf("packet %+v begins before the worker's last one ended at %v", e, end[e.Tid])
		}
		end[e.Tid] = e.Ts + e.Dur
	}
	if collections != 5 || packets["*plan.release"] != 5 || packets["*plan.roots"] != 10 {
		t.Errorf("%d collections, packets %v", collections, packets)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestErrorsAreKept(t *testing.T) {
	w := trace.New(full{})
	for range 1000 {
		w.Packet(0, "p", time.Now(), time.Second)
	}
	if err := w.Close(); err == nil || err.Error() != "no space left" {
		t.Errorf("close: %v", err)
	}
	var out bytes.Buffer
	if err := trace.New(&out).Close(); err != nil || out.String() != "[]\n" {
		t.Errorf("an empty trace is %q, %v", out.String(), err)
	}
}
