package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"time"
)

// A Report is all that a run measured. Its JSON form is stable enough to keep
// and compare: times are in nanoseconds, in the order they were taken.
type Report struct {
	Machine  string     `json:"machine"`
	Sections []*Section `json:"sections"`
}

// A Section is one table: rows of the same sort, one column per contestant.
// Column 0 is ours, column 1 the one that ratios refer to.
type Section struct {
	Title   string   `json:"title"`
	Columns []string `json:"columns"`
	Clock   string   `json:"clock"` // what the times are
	Rows    []*Row   `json:"rows"`
	// Geomean asks for the closing line with the mean ratio.
	Geomean bool `json:"-"`
}

// A Row is one thing measured on every contestant.
type Row struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind,omitempty"`
	Samples []*Sample `json:"samples"` // by column
	// Unit is that of the samples, if they are not times: "B" for bytes.
	Unit string `json:"unit,omitempty"`
	// Check is the kernels' common checksum.
	Check string `json:"check,omitempty"`
	// Note says what the times do not: a bar, allocations, a cache.
	Note string `json:"note,omitempty"`
}

// ratio is how many times faster column 0 is than column c: the median of the
// ratios of runs that followed each other, in which a machine that slows down
// for a while cancels out.
func (r *Row) ratio(c int) float64 {
	ours, theirs := r.Samples[0].Times, r.Samples[c].Times
	pairs := make([]float64, 0, len(ours))
	for i := range min(len(ours), len(theirs)) {
		pairs = append(pairs, float64(theirs[i])/float64(max(ours[i], 1)))
	}
	if len(pairs) == 0 {
		return math.NaN()
	}
	return median(pairs)
}

// geomean is the mean ratio to column c over the rows that have one, and their
// number.
func (s *Section) geomean(c int) (float64, int) {
	var v []float64
	for _, r := range s.Rows {
		if x := r.ratio(c); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return geomean(v), len(v)
}

func machine() string {
	return fmt.Sprintf("%s, %s/%s, %d CPUs", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

// cells is the section as text, header first: the same for both table forms.
func (s *Section) cells() [][]string {
	head := []string{s.Title}
	for _, c := range s.Columns {
		head = append(head, c+" min", "median")
	}
	for _, c := range s.Columns[1:] {
		head = append(head, c+" / "+s.Columns[0])
	}
	out := [][]string{append(head, s.Clock)}
	for _, r := range s.Rows {
		line := []string{r.Name}
		for _, x := range r.Samples {
			if len(x.Times) == 0 {
				line = append(line, "-", "-")
				continue
			}
			line = append(line, r.quantity(x.min()), r.quantity(x.median()))
		}
		for c := 1; c < len(s.Columns); c++ {
			line = append(line, ratioText(r.ratio(c)))
		}
		note := r.Note
		if note == "" {
			note = r.Kind
		}
		out = append(out, append(line, note))
	}
	if s.Geomean {
		line := []string{"geometric mean"}
		for range s.Columns {
			line = append(line, "", "")
		}
		n := 0
		for c := 1; c < len(s.Columns); c++ {
			var g float64
			g, n = s.geomean(c)
			line = append(line, ratioText(g))
		}
		out = append(out, append(line, fmt.Sprintf("%d kernels", n)))
	}
	return out
}

func (r *Row) quantity(d time.Duration) string {
	if r.Unit != "" {
		return fmt.Sprintf("%d %s", int64(d), r.Unit)
	}
	return duration(d)
}

func ratioText(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.2f", x)
}

// duration keeps three or four significant digits whatever the unit.
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d)/1e3)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// writeText prints aligned columns: the first to the left, figures to the right.
func (r *Report) writeText(w io.Writer) {
	fmt.Fprintln(w, r.Machine)
	for _, s := range r.Sections {
		rows := s.cells()
		width := make([]int, len(rows[0]))
		for _, line := range rows {
			for i, c := range line {
				width[i] = max(width[i], len([]rune(c)))
			}
		}
		fmt.Fprintln(w)
		for _, line := range rows {
			var b strings.Builder
			for i, c := range line {
				pad := strings.Repeat(" ", width[i]-len([]rune(c)))
				switch i {
				case 0, len(line) - 1:
					b.WriteString(c + pad + "  ")
				default:
					b.WriteString(pad + c + "  ")
				}
			}
			fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		}
	}
}

// writeMarkdown prints the tables for a document.
func (r *Report) writeMarkdown(w io.Writer) {
	fmt.Fprintln(w, r.Machine)
	for _, s := range r.Sections {
		fmt.Fprintln(w)
		for i, line := range s.cells() {
			fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
			if i == 0 {
				fmt.Fprintf(w, "|---%s|---|\n", strings.Repeat("|--:", len(line)-2))
			}
		}
	}
}

func (r *Report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
