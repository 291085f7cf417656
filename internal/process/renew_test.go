package process

import (
	"context"
	"errors"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Who still has a thread that is over does not reach the one that was made of its remains.
func TestOldThreadsDoNotReachTheirSuccessors(t *testing.T) {
	g, _ := newGroup(t, `(module)`, Config{})
	var old *vm.Thread
	var ofOld context.Context
	if _, err := spawn(g, func(th *vm.Thread) error {
		old, ofOld = th, th.Context()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	g.Wait()
	held := make(chan error)
	release := make(chan struct{})
	id, err := spawn(g, func(th *vm.Thread) error {
		if th == old || th.Ctx != old.Ctx {
			held <- errors.New("the thread is not made of the last one's parts")
			return nil
		}
		held <- nil
		<-release
		if th.Ctx.Flag() != 0 {
			t.Errorf("the thread has flags %#x", th.Ctx.Flag())
		}
		if err := th.Context().Err(); err != nil {
			t.Errorf("the thread's context: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if old.Stop(errors.New("late")) {
		t.Error("a stop of the old thread counts")
	}
	if err := old.Pause(t.Context()); err != nil { // of a thread that still runs it would wait
		t.Error(err)
	}
	old.Yield()
	old.Hurry()
	if old.Seal() {
		t.Error("the old thread is sealed")
	}
	old.Hold(0, 1)
	if info, ok, err := old.Inspect(t.Context()); ok || err != nil {
		t.Errorf("Inspect of the old thread: %+v, %v", info, err)
	}
	if ofOld.Err() == nil || !errors.Is(old.StopCause(), ErrEnding) {
		t.Errorf("the old thread's context: %v, its cause: %v", ofOld.Err(), old.StopCause())
	}
	select {
	case <-ofOld.Done():
	default:
		t.Error("the old thread's context is not done")
	}
	infos, err := g.Inspect(withoutTime(t)) // the new one does not come to a safepoint
	if len(infos) != 2 || infos[1].ID != id || infos[1].Stopping || err == nil {
		t.Errorf("Inspect: %+v, %v", infos, err)
	}
	close(release)
	g.Wait()
}

// withoutTime returns a context that is done.
func withoutTime(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
