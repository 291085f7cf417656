package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle"
)

// dumper writes where all guest threads are, whenever it is asked to. It is safe for concurrent use.
type dumper struct {
	w io.Writer

	mu sync.Mutex // also keeps dumps from being written into each other
	p  *spindle.Process
	f  *file
}

// watch names the Process to dump; f is its module's file.
func (d *dumper) watch(p *spindle.Process, f *file) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.p, d.f = p, f
}

// dumpPatience is how long a dump waits for a thread that does not come to a safepoint, as in a very long bulk instruction.
const dumpPatience = 2 * time.Second

func (d *dumper) dump() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.p == nil {
		fmt.Fprintln(d.w, "spindle: no guest runs yet")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dumpPatience)
	defer cancel()
	t, err := d.p.ThreadDump(ctx)
	text := t.Text(func(fr spindle.FrameInfo) string { return describeFrame(fr, d.f) })
	if err != nil {
		text += fmt.Sprintf("\n(threads without a backtrace did not stop within %v)\n", dumpPatience)
	}
	var b strings.Builder // names are the guest's
	for line := range strings.Lines(text) {
		b.WriteString(printable([]byte(strings.TrimSuffix(line, "\n"))) + "\n")
	}
	io.WriteString(d.w, b.String()) //nolint:errcheck // nobody could be told
}
