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
	sampled  atomic.Uint64
	private  histogram // of sampled children's own memory
	errors   [numKinds]atomic.Uint64
	ends     [len(endNames)]atomic.Uint64 // of connections, for PointAccept
}

// endNames are how connections end: the guest has closed them or ended; nothing has moved for too long; there were too many; the guest has trapped, or the like.
var endNames = [...]string{"done", "idle", "busy", "failed"}

func (m *metrics) served(err error, took time.Duration) {
	m.latency.add(took.Seconds(), latencyBuckets)
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
	m.latency.add(took.Seconds(), latencyBuckets)
}

func (m *metrics) forked(took time.Duration) { m.forks.add(took.Seconds(), forkBuckets) }

var (
	latencyBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	forkBuckets    = []float64{1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, .001, .0025, .005, .01, .1, 1}
	memoryBuckets  = []float64{16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30}
)

const maxBuckets = 15

// histogram counts values by the bucket that they are in; the last one is for all that are larger.
type histogram struct {
	buckets [maxBuckets + 1]atomic.Uint64
	sum     atomic.Uint64 // the bits of a float64
}

func (h *histogram) add(v float64, bounds []float64) {
	i := 0
	for i < len(bounds) && v > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	for {
		was := h.sum.Load()
		if h.sum.CompareAndSwap(was, math.Float64bits(math.Float64frombits(was)+v)) {
			return
		}
	}
}

// count is the number of values.
func (h *histogram) count() (n uint64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// quantile is about the value that a share q of all are not above: within its bucket they are taken to be evenly spread. 0 if there are none.
func (h *histogram) quantile(q float64, bounds []float64) float64 {
	rank, low := q*float64(h.count()), 0.0
	for i, bound := range bounds {
		n := float64(h.buckets[i].Load())
		if n > 0 && rank <= n {
			return low + (bound-low)*rank/n
		}
		rank, low = rank-n, bound
	}
	if h.count() == 0 {
		return 0
	}
	return low
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
		fmt.Fprintf(w, "spindle_serve_%s_sum %s\nspindle_serve_%s_count %d\n", name, number(math.Float64frombits(h.sum.Load())), name, sum)
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
	distribution("request_seconds", "Time from a request's head to the end of its answer, or of a connection.", &m.latency, latencyBuckets)
	distribution("fork_seconds", "Time that a fork took.", &m.forks, forkBuckets)
	labelled := func(name, kind, help string, each func(put func(labels string, v float64))) {
		head(name, kind, help)
		each(func(labels string, v float64) { fmt.Fprintf(w, "spindle_serve_%s{%s} %s\n", name, labels, number(v)) })
	}
	labelled("errors_total", "counter", "Requests that went wrong, by what did.", func(put func(string, float64)) {
		for k := kindNone + 1; k < numKinds; k++ {
			put(fmt.Sprintf("kind=%q", kindNames[k]), float64(m.errors[k].Load()))
		}
	})
	st := s.state()
	value("children", "gauge", "Children that live.", float64(st.Live))
	value("children_max", "gauge", "Children that may live at the same time.", float64(st.Max))
	value("queued", "gauge", "Requests that wait for a child to end.", float64(st.Queued))
	value("queue_max", "gauge", "Requests that may wait.", float64(st.QueueMax))
	value("timeout_seconds", "gauge", "What a request may take, 0 if any time.", max(0, s.cfg.Timeout.Seconds()))
	value("request_max_bytes", "gauge", "How large a request's body may be, -1 if of any size.", float64(max(-1, s.cfg.MaxRequest)))
	value("generation", "gauge", "The image that children are forked of: how often there was a refork.", float64(st.Generation))
	value("reforks_total", "counter", "New images.", float64(st.Reforks))
	value("refork_failures_total", "counter", "Attempts at a new image that failed.", float64(st.ReforkFailures))
	value("generations_retired_total", "counter", "Earlier images whose last child has gone.", float64(st.Retired))
	labelled("generation_children", "gauge", "Children that live, by the image that they were forked of.", func(put func(string, float64)) {
		for _, g := range st.Generations {
			put(fmt.Sprintf("generation=\"%d\"", g.Number), float64(g.Live))
		}
	})
	labelled("generation_image_bytes", "gauge", "Size of the images that children are forked of, or were.", func(put func(string, float64)) {
		for _, g := range st.Generations {
			put(fmt.Sprintf("generation=\"%d\"", g.Number), float64(g.Image))
		}
	})
	if st.Measured {
		value("children_shared_bytes", "gauge", "Sum over the children that live of what each shares with its image.", float64(st.Shared))
		value("children_private_bytes", "gauge", "Sum over the children that live of what is their own.", float64(st.Private))
		labelled("child_memory_bytes", "gauge", fmt.Sprintf("Memory of each of the first %d children that live.", maxListed), func(put func(string, float64)) {
			for _, g := range st.Generations {
				for _, c := range g.Children {
					put(fmt.Sprintf("generation=\"%d\",pid=\"%d\",kind=\"shared\"", g.Number, c.PID), float64(c.Shared))
					put(fmt.Sprintf("generation=\"%d\",pid=\"%d\",kind=\"private\"", g.Number, c.PID), float64(c.Private))
				}
			}
		})
		distribution("child_private_bytes", fmt.Sprintf("Memory of their own that children had when they ended; of one in %d.", sampleEvery), &m.private, memoryBuckets)
	}
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
