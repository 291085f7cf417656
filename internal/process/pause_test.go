package process

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// A thread that does not come to a safepoint keeps nobody waiting longer than the context says, and leaves nothing held.
func TestHoldsAreTakenBack(t *testing.T) {
	g, _ := newGroup(t, `(module)`, Config{})
	started, release := make(chan struct{}), make(chan struct{})
	if _, err := spawn(g, func(*vm.Thread) error {
		close(started)
		<-release // neither guest code nor a host function
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	<-started
	if _, err := spawn(g, untilStopped); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if err := g.Pause(ctx); !errors.Is(err, cause) {
		t.Errorf("Pause: %v", err)
	}
	infos, err := g.Inspect(ctx)
	if !errors.Is(err, cause) || len(infos) != 3 || infos[1].State != vm.ThreadRunning || len(infos[1].Frames) != 0 {
		t.Errorf("Inspect: %v, %v", infos, err)
	}
	for _, th := range g.Threads() {
		if th.Ctx.Flag() != 0 {
			t.Errorf("thread %d is left with flags %#x", th.ID, th.Ctx.Flag())
		}
	}
	close(release)
	// The one that has left is not told of.
	for len(g.Threads()) > 2 {
	}
	infos, err = g.Inspect(context.Background())
	if err != nil || !slices.EqualFunc(infos, []uint32{0, 2}, func(i vm.ThreadInfo, id uint32) bool { return i.ID == id }) {
		t.Errorf("Inspect: %v, %v", infos, err)
	}
}

// A thread that joins a paused group has all the holds of the others, and only those are taken back.
func TestJoiningAPausedGroup(t *testing.T) {
	g, _ := newGroup(t, `(module)`, Config{})
	ctx := context.Background()
	if err := g.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if err := g.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	if _, err := spawn(g, func(*vm.Thread) error { close(ran); return nil }); err != nil {
		t.Fatal(err)
	}
	isPaused := func() bool {
		infos, err := g.Inspect(ctx)
		if err != nil || len(infos) != 2 {
			t.Fatal(infos, err)
		}
		return infos[1].State == vm.ThreadPaused
	}
	for !isPaused() { // it may not have come to its beginning yet
	}
	g.Resume()
	if !isPaused() {
		t.Error("the first of two resumes let the thread go")
	}
	select {
	case <-ran:
		t.Error("the thread ran in a pause")
	default:
	}
	g.Resume()
	<-ran
	g.Resume() // one too many
	if err := g.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if g.main.Ctx.Flag() != vm.FlagPause {
		t.Errorf("flags %#x of a paused thread", g.main.Ctx.Flag())
	}
	g.Resume()
}
