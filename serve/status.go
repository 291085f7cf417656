package serve

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The status page: status.html is the whole of it, and has the part that changes as a template of its own, which status.js fetches and puts in its place.
var (
	//go:embed status.html
	statusHTML string
	//go:embed status.css
	statusCSS string
	//go:embed status.js
	statusJS string
)

// statusTemplate is parsed when the page is first asked for: most programs of this package never show it.
var statusTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("status").Funcs(template.FuncMap{
		"bytes": byteSize, "seconds": seconds, "age": age, "share": share, "style": func() template.CSS { return template.CSS(statusCSS) },
		"script": func() template.JS { return template.JS(statusJS) }, "bars": bars, "since": func(t time.Time) float64 { return time.Since(t).Seconds() },
		"sorted": sorted, "round": func(v float64) uint64 { return uint64(v) }, "sub": func(a, b int) int { return a - b },
	}).Parse(statusHTML))
})

// statusPolicy lets the page load nothing, and talk to nobody but this server.
var statusPolicy = sync.OnceValue(func() string {
	return "default-src 'none'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; style-src " + hashOf(statusCSS) + "; script-src " + hashOf(statusJS)
})

// hashOf is a source of Content Security Policy (level 3, section 2.3.1) that allows this text.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (s *Server) statusPage(w http.ResponseWriter, _ *http.Request) { s.render(w, "page") }
func (s *Server) statusPart(w http.ResponseWriter, _ *http.Request) { s.render(w, "part") }

func (s *Server) render(w http.ResponseWriter, name string) {
	var b bytes.Buffer
	if err := statusTemplate().ExecuteTemplate(&b, name, s.state()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", statusPolicy())
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(b.Bytes()) // whoever asked has gone
}

// byteSize is a size for people: three digits.
func byteSize(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 999.5 || unit == "TiB" {
			return digits(v) + " " + unit
		}
	}
	return ""
}

// digits is a number with three digits, or all of those before the point.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// seconds is a short time for people.
func seconds(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v < 1e-3:
		return digits(v*1e6) + " µs"
	case v < 1:
		return digits(v*1e3) + " ms"
	}
	return digits(v) + " s"
}

// age is a long time for people.
func age(v float64) string {
	d := time.Duration(v * float64(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// share is a part of two in percent, 0 if both are.
func share(part, rest uint64) float64 {
	if part+rest == 0 {
		return 0
	}
	return math.Round(1000*float64(part)/float64(part+rest)) / 10
}

// bar is a bar of a histogram, in percent of the width and height of what it is drawn in.
type bar struct {
	X, Width, Y, Height float64
	Label               string
	Count               uint64
}

// bars draws a histogram from the first bucket that has something to the last one.
func bars(d distribution, kind string) []bar {
	unit := seconds
	if kind == "bytes" {
		unit = func(v float64) string { return byteSize(uint64(v)) }
	}
	short := func(v float64) string { // bounds are round numbers
		number, name, _ := strings.Cut(unit(v), " ")
		if strings.Contains(number, ".") {
			number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
		}
		return number + " " + name
	}
	first, last := -1, -1
	for i, n := range d.Buckets {
		if n > 0 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return nil
	}
	first, last = max(0, min(first, len(d.Buckets)-6)), min(len(d.Buckets)-1, max(last, first+5))
	most := slices.Max(d.Buckets)
	width := 100 / float64(last-first+1)
	var out []bar
	for i := first; i <= last; i++ {
		b := bar{X: width * float64(i-first), Width: width * .86, Count: d.Buckets[i]}
		b.Height = 100 * float64(b.Count) / float64(most)
		if b.Count > 0 {
			b.Height = max(b.Height, 1.5)
		}
		b.Y = 100 - b.Height
		if i < len(d.Bounds) {
			b.Label = "≤ " + short(d.Bounds[i])
		} else {
			b.Label = "> " + short(d.Bounds[i-1])
		}
		out = append(out, b)
	}
	return out
}

// pair is a row of a table.
type pair struct {
	Name  string
	Count uint64
}

// sorted makes rows, with names for people.
func sorted(m map[string]uint64) []pair {
	var out []pair
	for name, n := range m {
		out = append(out, pair{strings.ReplaceAll(name, "_", " "), n})
	}
	slices.SortFunc(out, func(a, b pair) int { return strings.Compare(a.Name, b.Name) })
	return out
}
