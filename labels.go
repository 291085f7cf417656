package spindle

import (
	"context"
	"runtime/pprof"
	"strconv"
)

// Labels of runtime/pprof that goroutines of guest threads have, so that Go's CPU and goroutine profiles tell guests apart. A call by the embedder runs on the embedder's
// goroutine, whose labels are left alone.
const (
	// LabelProcess is Config.Name, if that is not empty.
	LabelProcess = "spindle.process"
	// LabelThread is the tid, if Config.ThreadLabels is set.
	LabelThread = "spindle.thread"
)

// labels are what the goroutines of a Process's threads are labelled with.
type labels struct {
	base      context.Context
	perThread bool
}

// newLabels makes the labels of a Process, which keep those of ctx.
func newLabels(ctx context.Context, cfg *Config) labels {
	var kv []string // not ctx itself, whose other values may be large
	pprof.ForLabels(ctx, func(k, v string) bool {
		kv = append(kv, k, v)
		return true
	})
	if cfg.Name != "" {
		kv = append(kv, LabelProcess, cfg.Name)
	}
	l := labels{base: context.Background(), perThread: cfg.ThreadLabels}
	if len(kv) > 0 {
		l.base = pprof.WithLabels(l.base, pprof.Labels(kv...))
	}
	return l
}

// begin labels the calling goroutine, which is about to run a thread; fresh says that it has run none before.
//
// A goroutine starts with the labels of the one that made it: here that of whichever call spawned a thread first, and which may be over
// when the goroutine runs the next one. So they are replaced also if there is nothing to say.
func (l *labels) begin(tid uint32, fresh bool) {
	switch {
	case l.perThread:
		pprof.SetGoroutineLabels(pprof.WithLabels(l.base, pprof.Labels(LabelThread, strconv.FormatUint(uint64(tid), 10))))
	case fresh:
		pprof.SetGoroutineLabels(l.base)
	}
}
