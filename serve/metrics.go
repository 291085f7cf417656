package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// metrics are counted without locks; a scrape need not see one moment.
type metrics struct {
	statuses [1000]atomic.Uint64 // answers by status
	latency  histogram
	forks    histogram
	live     atomic.Int64
	ends     [len(endNames)]atomic.Uint64 // of connections, for PointAccept
}

// endNames are how connections end: the guest has closed them or ended; nothing has moved for too long; there were too many; the guest has trapped, or the like.
var endNames = [...]string{"done", "idle", "busy", "failed"}

func (m *metrics) served(err error) {
	n := 3
	switch {
	case err == nil:
		n = 0
	case errors.Is(err, errIdle):
		n = 1
	case errors.Is(err, errBusy):
		n = 2
	}
	m.ends[n].Add(1)
}

func (m *metrics) answered(status int, took time.Duration) {
	m.statuses[status].Add(1)
	m.latency.add(took, latencyBuckets)
}

func (m *metrics) forked(took time.Duration) { m.forks.add(took, forkBuckets) }

var (
	latencyBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	forkBuckets    = []float64{1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, .001, .0025, .005, .01, .1, 1}
)

const maxBuckets = 15

// histogram counts durations by the bucket that they are in; the last one is for all that are longer.
type histogram struct {
	buckets [maxBuckets + 1]atomic.Uint64
	nanos   atomic.Uint64
}

func (h *histogram) add(d time.Duration, bounds []float64) {
	i := 0
	for i < len(bounds) && d.Seconds() > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(uint64(max(0, d)))
}

// Metrics serves what the Server counts, in Prometheus's text format, version 0.0.4.
func (s *Server) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		b := bufio.NewWriter(w)
		s.writeMetrics(b)
		_ = b.Flush() // whoever asked has gone
	})
}

func (s *Server) writeMetrics(w io.Writer) {
	m := &s.metrics
	head := func(name, kind, help string) {
		fmt.Fprintf(w, "# HELP spindle_serve_%s %s\n# TYPE spindle_serve_%s %s\n", name, help, name, kind)
	}
	value := func(name, kind, help string, v float64) {
		head(name, kind, help)
		fmt.Fprintf(w, "spindle_serve_%s %s\n", name, number(v))
	}
	distribution := func(name, help string, h *histogram, bounds []float64) {
		head(name, "histogram", help)
		var sum uint64
		for i := range len(bounds) + 1 {
			le := math.Inf(1)
			if i < len(bounds) {
				le = bounds[i]
			}
			sum += h.buckets[i].Load()
			fmt.Fprintf(w, "spindle_serve_%s_bucket{le=%q} %d\n", name, number(le), sum)
		}
		fmt.Fprintf(w, "spindle_serve_%s_sum %s\nspindle_serve_%s_count %d\n", name, number(float64(h.nanos.Load())/1e9), name, sum)
	}
	head("requests_total", "counter", "Requests by the status of their answers; 499 is for clients that have gone.")
	for status := range m.statuses {
		if n := m.statuses[status].Load(); n > 0 {
			fmt.Fprintf(w, "spindle_serve_requests_total{status=\"%d\"} %d\n", status, n)
		}
	}
	head("connections_total", "counter", "Connections that guests were given, by how they ended.")
	for n, name := range endNames {
		fmt.Fprintf(w, "spindle_serve_connections_total{end=%q} %d\n", name, m.ends[n].Load())
	}
	distribution("request_seconds", "Time from a request's head to the end of its child.", &m.latency, latencyBuckets)
	distribution("fork_seconds", "Time that a fork took.", &m.forks, forkBuckets)
	value("children", "gauge", "Children that live.", float64(m.live.Load()))
	value("children_max", "gauge", "Children that may live at the same time.", float64(cap(s.slots.free)))
	value("queued", "gauge", "Requests that wait for a child to end.", float64(max(0, s.slots.queued.Load())))
	if shared, private, ok := residentMemory(); ok {
		value("memory_shared_bytes", "gauge", "Memory of the server's process in files and images: what children share, as far as it has been touched.", float64(shared))
		value("memory_private_bytes", "gauge", "Other memory of the server's process: what children have written, Go's heap.", float64(private))
	}
}

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
