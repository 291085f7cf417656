package vm

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Hold adds to the counts of those who want the thread stopped (negative: takes back), without waiting for it. pauses are as by Pause. dumps are
// from those who only look at its frames, so that they need not wait for a host function, which may never return: a host function
// that returns, or calls back into the guest, is held up instead.
//
// How frames are read without a race, at no cost while nobody looks: the frames of a held thread that is idle, blocked, parked, or in a host function
// change only after the thread has taken mu. Whoever wants to read them sets FlagPause, then looks at state and inHost under mu. The thread, on its way
// back into guest code, writes state or inHost, then looks at the flag, and if it is set takes mu. One of the two sees what the other wrote.
func (t *Thread) Hold(pauses, dumps int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.pausers += int32(pauses + dumps)
	t.dumps += int32(dumps)
	t.holdLocked(pauses < 0 || dumps < 0)
}

// holdForCollection is Hold for a collection of the heap, which reads and writes the frames, and nobody leaves before it is over.
func (t *Thread) holdForCollection(n int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.collects += n
	t.holdLocked(n < 0)
}

// Seal keeps a thread that is paused where it is until Unseal, also if it is told to stop meanwhile, and its memory as it is. ok is false if it does not stand, has been told
// to stop, or has left: then there is nothing to take back.
func (t *Thread) Seal() (ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.retired || t.stopCause != nil || State(t.state.Load()) == StateRunning {
		return false
	}
	t.collects++
	t.holdLocked(false)
	return true
}

// Unseal takes one Seal back.
func (t *Thread) Unseal() { t.holdForCollection(-1) }

func (t *Thread) holdLocked(less bool) {
	if t.pausers > 0 || t.collects > 0 {
		t.setFlagLocked(FlagPause)
	} else {
		t.clearFlagLocked(FlagPause)
	}
	if less {
		t.resumed.Broadcast()
	}
}

// AwaitPaused waits until a held thread is not running (host functions in flight count as running), until it has left, or until ctx is done,
// whose cause is the error then.
func (t *Thread) AwaitPaused(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.awaitLocked(ctx, func() bool { return State(t.state.Load()) != StateRunning })
}

// AwaitReadable is AwaitPaused for a thread held for a dump: a host function in flight is not waited for.
func (t *Thread) AwaitReadable(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.awaitLocked(ctx, t.readableLocked)
}

func (t *Thread) readableLocked() bool {
	return State(t.state.Load()) != StateRunning || t.inHost.Load() != nil
}

func (t *Thread) awaitLocked(ctx context.Context, cond func() bool) error {
	if t.closed || cond() {
		return nil
	}
	defer context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.settled.Broadcast()
	})()
	for !t.closed && !cond() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.settled.Wait()
	}
	return nil
}

// settle tells those who hold the thread that there may be something new.
func (t *Thread) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled.Broadcast()
}

// leaveHost is the slow half of CallHost's end, with the safepoint word set: it stays in the host function while somebody looks, and
// makes a stop the function's error.
func (t *Thread) leaveHost(f, outer *HostFunc, err *error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heldLocked(t.dumps) {
		t.inHost.Store(f)
		t.settled.Broadcast()
		for t.heldLocked(t.dumps) {
			t.resumed.Wait()
		}
		t.inHost.Store(outer)
	}
	if *err == nil && t.stopCause != nil {
		*err = t.stopErrorLocked()
	}
}

// Outside runs f, code of the embedder that a thread waits for beside host functions, as h would: dumps and collections of the heap do not wait for it.
func (t *Thread) Outside(h *HostFunc, f func()) {
	outer := t.inHost.Load()
	t.inHost.Store(h)
	if t.Ctx.Flag() != 0 {
		t.settle()
	}
	defer func() {
		t.inHost.Store(outer)
		if t.Asked() {
			var stopped error // met at the next safepoint
			t.leaveHost(h, outer, &stopped)
		}
	}()
	f()
}

// EnterGuest is called by an engine before a run that a host function asked for (InHost): InHost is nil until LeaveGuest. The engine then polls if
// Asked says so, before it changes anything that describes frames.
func (t *Thread) EnterGuest() (host *HostFunc) {
	host = t.inHost.Swap(nil)
	t.nestings++
	return host
}

// LeaveGuest ends what EnterGuest began. The exit state must be again as it was then.
func (t *Thread) LeaveGuest(host *HostFunc) {
	t.nestings--
	t.inHost.Store(host)
	if t.Ctx.Flag() != 0 {
		t.settle()
	}
}

// Asked reports whether the safepoint word is set. If it is not, the thread goes on.
func (t *Thread) Asked() bool {
	if t.Ctx.Flag() != 0 {
		return true // it takes mu
	}
	t.dumpEdge()
	return false
}

// dumpEdge shows the race detector that what a dump read was read before the thread goes on. The safepoint word, which orders the two, is in memory that
// the detector does not see: so the edge comes after the look at the word.
func (t *Thread) dumpEdge() {
	if raceEnabled {
		t.mu.Lock()
		t.mu.Unlock() //nolint:staticcheck // for the edge only
	}
}

// ThreadState says what a thread is at, in a dump.
type ThreadState uint8

const (
	// ThreadIdle is in no call: it has not begun yet, or is about to leave; or it is the main thread, and nobody calls.
	ThreadIdle ThreadState = iota
	// ThreadRunning runs guest code; in an error case, it did not come to a safepoint in time.
	ThreadRunning
	// ThreadInHost is in a host function.
	ThreadInHost
	// ThreadWaiting is in memory.atomic.wait32 or wait64.
	ThreadWaiting
	// ThreadPaused was in guest code when it was paused.
	ThreadPaused
)

func (s ThreadState) String() string {
	return [...]string{"idle", "running", "in a host function", "waiting", "paused"}[s]
}

// ThreadInfo says where a guest thread is.
type ThreadInfo struct {
	ID    uint32 // tid; 0 is the main thread
	State ThreadState
	// Stopping is set if the thread has been told to stop and has not left yet.
	Stopping bool
	// Host is the name of the innermost host function (ThreadInHost only).
	Host string
	// Wait says what the thread waits for (ThreadWaiting only).
	Wait *WaitInfo
	// Frames is the guest's backtrace, innermost first, of at most 100 frames. Host functions between them are not shown. A running thread
	// that did not come to a safepoint in time has none.
	Frames []FrameInfo
	// More is set if there are further frames.
	More bool
}

// WaitInfo says what a thread in memory.atomic.wait waits for.
type WaitInfo struct {
	Memory uint32        // index in the module of the innermost frame
	Addr   uint64        // byte offset
	Bits   int           // 32 or 64: of which instruction; 0 if unknown
	Left   time.Duration // until the wait times out; negative if it never does
}

// Inspect describes a thread that the caller holds (Hold with a dump). It waits as AwaitReadable does; with ctx done a thread that still runs is described
// without frames, and the error is set. ok is false if the thread has left.
func (t *Thread) Inspect(ctx context.Context) (info ThreadInfo, ok bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err = t.awaitLocked(ctx, t.readableLocked)
	if t.closed || t.ending.Load() && State(t.state.Load()) == StateIdle {
		return info, false, nil
	}
	info.ID, info.Stopping = t.ID, t.stopCause != nil
	if err != nil {
		info.State = ThreadRunning
		return info, true, err
	}
	state, host := State(t.state.Load()), t.inHost.Load()
	if state == StateIdle {
		return info, true, nil
	}
	var innermost Frame
	t.Engine.Frames(t, func(f Frame) bool {
		if len(info.Frames) == maxBacktrace {
			info.More = true
			return false
		}
		if innermost.Instance == nil {
			innermost = f
		}
		info.Frames = append(info.Frames, f.Info())
		return true
	})
	wait, waits := t.Waiting()
	switch {
	case host != nil:
		info.State, info.Host = ThreadInHost, host.Name
	case waits && state == StateBlocked && t.waiter.queued.Load(): // otherwise it has been notified
		info.State, info.Wait = ThreadWaiting, innermost.wait(wait)
	case t.pausers > t.dumps:
		info.State = ThreadPaused
	case len(info.Frames) > 0:
		info.State = ThreadRunning
	}
	return info, true, nil
}

// wait describes a wait of which f is the innermost frame.
func (f Frame) wait(w Wait) *WaitInfo {
	info := &WaitInfo{Addr: w.Addr, Left: -1}
	if !w.Deadline.IsZero() {
		info.Left = max(0, time.Until(w.Deadline))
	}
	if f.Instance == nil {
		return info
	}
	for k, m := range f.Instance.Memories {
		if m == w.Memory {
			info.Memory = uint32(k)
			break
		}
	}
	m := f.Instance.Module
	if k := int(f.Func) - m.NumImportedFuncs; k >= 0 && k < len(m.Bodies) {
		b := &m.Bodies[k]
		if at := int(f.Offset) - int(b.Offset); at >= 0 && at < len(b.Code) && b.Code[at] == wasm.OpMemoryAtomicWait32.Prefix() {
			switch sub, _ := binary.Uvarint(b.Code[at+1:]); uint32(sub) {
			case wasm.OpMemoryAtomicWait32.Sub():
				info.Bits = 32
			case wasm.OpMemoryAtomicWait64.Sub():
				info.Bits = 64
			}
		}
	}
	return info
}
