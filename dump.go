package spindle

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spindle-wasm/spindle/internal/vm"
)

type (
	// ThreadInfo says where a guest thread is.
	ThreadInfo = vm.ThreadInfo
	// ThreadState says what a guest thread is at.
	ThreadState = vm.ThreadState
	// WaitInfo says what a guest thread in memory.atomic.wait waits for.
	WaitInfo = vm.WaitInfo
)

// The states of guest threads.
const (
	// ThreadIdle is in no call: the thread has not begun yet; or it is the main thread, and nobody calls.
	ThreadIdle = vm.ThreadIdle
	// ThreadRunning runs guest code.
	ThreadRunning = vm.ThreadRunning
	// ThreadInHost is in a host function.
	ThreadInHost = vm.ThreadInHost
	// ThreadWaiting is in memory.atomic.wait32 or wait64.
	ThreadWaiting = vm.ThreadWaiting
	// ThreadPaused was in guest code when somebody paused the Process.
	ThreadPaused = vm.ThreadPaused
)

// ThreadDump is where all guest threads of a Process were at one moment.
type ThreadDump struct {
	Process string       // Config.Name
	Ending  bool         // the Process had a cause to end
	Cause   error        // which; nil if its entry returned, and while it is not ending
	Threads []ThreadInfo // in order of their tids; those that had left are not among them
}

// ThreadDump stops all threads of the guest for a moment, looks where each is, and lets them go on. The picture is one of the whole: no thread runs guest
// code while it is taken. It may be called at any time, from any goroutine, also from a host function of the Process, while other dumps are
// taken, while the Process is paused, and while it ends.
//
// It never waits for a host function: one in flight goes on meanwhile, and is held up only if it returns or calls back into the guest before the
// picture is complete. Threads in guest code are at their next safepoint within microseconds (within a bulk instruction: when that is
// done). If ctx is done first, what can be seen of the others is returned with ctx's cause as the error.
func (p *Process) ThreadDump(ctx context.Context) (*ThreadDump, error) {
	d := &ThreadDump{Process: p.cfg.Name}
	var err error
	d.Threads, err = p.group.Inspect(ctx)
	d.Cause, d.Ending = p.group.Ended()
	return d, err
}

// String is Text with FrameInfo.String.
func (d *ThreadDump) String() string { return d.Text(FrameInfo.String) }

// WriteTo writes String to w.
func (d *ThreadDump) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, d.String())
	return int64(n), err
}

// Text is the dump in words: for each thread a line that says what it is at, and below it the guest's backtrace, innermost frame first, each frame as
// frame formats it. Threads that are at the same are shown together.
func (d *ThreadDump) Text(frame func(FrameInfo) string) string {
	var b strings.Builder
	b.WriteString("guest threads")
	if d.Process != "" {
		fmt.Fprintf(&b, " of %q", d.Process)
	}
	fmt.Fprintf(&b, ": %d", len(d.Threads))
	switch {
	case d.Cause != nil:
		fmt.Fprintf(&b, "; ending: %v", d.Cause)
	case d.Ending:
		b.WriteString("; ending")
	}
	b.WriteString("\n")
	// Groups in the order of their first threads.
	groups := map[string][]int{}
	var order []string
	for i := range d.Threads {
		key := threadKey(&d.Threads[i])
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	for _, key := range order {
		d.writeGroup(&b, groups[key], frame)
	}
	return b.String()
}

// threadKey is equal for threads that are at the same.
func threadKey(t *ThreadInfo) string {
	key := fmt.Sprint(t.State, t.Stopping, t.More, t.Host)
	if w := t.Wait; w != nil {
		key += fmt.Sprint(" ", w.Memory, w.Addr, w.Bits, w.Left < 0)
	}
	return key + fmt.Sprint(t.Frames)
}

func (d *ThreadDump) writeGroup(b *strings.Builder, group []int, frame func(FrameInfo) string) {
	t := &d.Threads[group[0]]
	b.WriteString("\n")
	if len(group) == 1 {
		b.WriteString("thread ")
	} else {
		fmt.Fprintf(b, "%d threads ", len(group))
	}
	d.writeTIDs(b, group)
	b.WriteString(": ")
	switch {
	case t.Wait != nil:
		writeWait(b, t.Wait, len(group))
	case t.State == ThreadInHost && t.Host != "":
		fmt.Fprintf(b, "in host function %s", t.Host)
	default:
		b.WriteString(t.State.String())
	}
	if t.Stopping {
		b.WriteString(", told to stop")
	}
	b.WriteString("\n")
	writeFrames(b, t, frame)
}

// writeTIDs writes identifiers, runs of them as ranges.
func (d *ThreadDump) writeTIDs(b *strings.Builder, group []int) {
	const most = 8 // ranges
	for i, n := 0, 0; i < len(group); n++ {
		if n > 0 {
			b.WriteString(", ")
		}
		if n == most {
			b.WriteString("…")
			return
		}
		first := d.Threads[group[i]].ID
		last := first
		for i++; i < len(group) && first > 0 && d.Threads[group[i]].ID == last+1; i++ {
			last++
		}
		switch {
		case first == 0:
			b.WriteString("0 (main)")
		case first == last:
			fmt.Fprint(b, first)
		default:
			fmt.Fprintf(b, "%d-%d", first, last)
		}
	}
}

func writeWait(b *strings.Builder, w *WaitInfo, threads int) {
	fmt.Fprintf(b, "waiting at %#x of memory %d", w.Addr, w.Memory)
	switch {
	case w.Bits != 0:
		fmt.Fprintf(b, " (wait%d, ", w.Bits)
	default:
		b.WriteString(" (")
	}
	switch {
	case w.Left < 0:
		b.WriteString("no timeout)")
	case threads > 1:
		b.WriteString("with timeouts)")
	default:
		fmt.Fprintf(b, "%v left)", w.Left.Round(time.Millisecond))
	}
}

// writeFrames writes a backtrace, a run of equal frames once.
func writeFrames(b *strings.Builder, t *ThreadInfo, frame func(FrameInfo) string) {
	for i := 0; i < len(t.Frames); i++ {
		f := t.Frames[i]
		fmt.Fprintf(b, "%4d: %s\n", i, frame(f))
		run := slices.IndexFunc(t.Frames[i:], func(g FrameInfo) bool { return g != f })
		if run < 0 {
			run = len(t.Frames) - i
		}
		if run > 2 {
			fmt.Fprintf(b, "      and %d more like it\n", run-1)
			i += run - 1
		}
	}
	if t.More {
		b.WriteString("      and further frames\n")
	}
}
