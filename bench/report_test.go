package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func sample(ns ...time.Duration) *Sample { return &Sample{Times: ns} }

func TestStatistics(t *testing.T) {
	s := sample(40, 10, 30, 20)
	if s.min() != 10 || s.median() != 25 {
		t.Errorf("min %d, median %d", s.min(), s.median())
	}
	if s.Times[0] != 40 {
		t.Error("the order of the runs is lost")
	}
	if got := sample(9, 1, 5).median(); got != 5 {
		t.Errorf("median of three: %d", got)
	}
	if g := geomean([]float64{2, 8}); math.Abs(g-4) > 1e-9 {
		t.Errorf("geomean(2, 8) = %v", g)
	}
}

func testReport() *Report {
	return &Report{Machine: "m", Sections: []*Section{{
		Title: "kernel", Columns: []string{"spindle", "wazero-int"}, Geomean: true,
		Rows: []*Row{
			{Name: "a", Kind: "k", Samples: []*Sample{sample(10, 20, 30), sample(40, 40, 30)}},
			{Name: "b", Samples: []*Sample{sample(10), sample(80)}},
			{Name: "gone", Samples: []*Sample{{}, {}}, Note: "no network"},
		},
	}}}
}

func TestReportRatios(t *testing.T) {
	s := testReport().Sections[0]
	if got := s.Rows[0].ratio(1); got != 2 { // of 4, 2 and 1
		t.Errorf("median of the pairs' ratios: %v, want 2", got)
	}
	if g, n := s.geomean(1); math.Abs(g-4) > 1e-9 || n != 2 {
		t.Errorf("geomean %v over %d rows, want 4 over 2", g, n)
	}
}

func TestReportCheck(t *testing.T) {
	r := testReport()
	if err := r.check(2, 4-1e-9); err != nil {
		t.Error(err)
	}
	err := r.check(3, 5)
	if err == nil || !strings.Contains(err.Error(), "a: ratio 2.00") || !strings.Contains(err.Error(), "mean 4.00") {
		t.Errorf("check(3, 5): %v", err)
	}
}

func TestReportForms(t *testing.T) {
	r := testReport()
	var text, md, js bytes.Buffer
	r.writeText(&text)
	r.writeMarkdown(&md)
	if err := r.writeJSON(&js); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"geometric mean", "no network", "4.00"} {
		if !strings.Contains(text.String(), want) || !strings.Contains(md.String(), want) {
			t.Errorf("%q is missing in\n%s\n%s", want, text.String(), md.String())
		}
	}
	// Every line of a Markdown table has the same number of cells.
	cells := -1
	for line := range strings.Lines(md.String()) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		if n := strings.Count(line, "|"); cells >= 0 && n != cells {
			t.Errorf("%d cells, then %d in %q", cells, n, line)
		} else {
			cells = n
		}
	}
	var back Report
	if err := json.Unmarshal(js.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Sections[0].Rows[0].Samples[1].Times[2]; got != 30 {
		t.Errorf("JSON lost a time: %d", got)
	}
}
