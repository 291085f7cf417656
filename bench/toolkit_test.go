package main

import (
	"strings"
	"testing"
)

// TestToolkit makes the table of the toolkit with small heaps: every part measures, and finds the objects that it made.
func TestToolkit(t *testing.T) {
	b := toolkitBench{runs: 2, objects: 5000, many: 20_000, nursery: 1 << 20}
	sec, err := runToolkit(t.Context(), b, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"allocate": len(toolkitPlans()), "trace": 2*len(toolkitPlans()) + 2, "minor": 2, "full": 2}
	for _, r := range sec.Rows {
		for _, s := range r.Samples {
			if len(s.Times) == 0 {
				t.Errorf("%s: nothing was measured", r.Name)
			}
		}
		if r.Samples[1].min() < 0 || r.Note == "" && !strings.Contains(r.Name, "two heaps") {
			t.Errorf("%s: %+v", r.Name, r)
		}
		want[strings.Fields(r.Name)[0]]--
	}
	for part, n := range want {
		if n != 0 {
			t.Errorf("%s: %d rows are missing", part, n)
		}
	}
	if _, err := runToolkit(t.Context(), toolkitBench{filter: "nothing"}, func(string) {}); err == nil {
		t.Error("no part: no error")
	}
}
