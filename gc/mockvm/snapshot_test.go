package mockvm

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// A warm heap goes through a file, and comes back as a ticket: children of it have the same objects, go on like a program that has never stopped, and can be
// forked and saved again.
func TestSnapshot(t *testing.T) {
	before := leftovers(t)
	for _, name := range gc.Plans() {
		t.Run(name, func(t *testing.T) {
			v, ps := newForkable(t, name, plan.Options{Workers: 2, NurseryBytes: 512 << 10, Sanity: true}, 2)
			total := 0
			for range 3 {
				run(t, 600, ps...)
				total += 600
				img, _ := freeze(t, v, ps)
				if _, err := img.State(); !errors.Is(err, gc.ErrNotWarm) {
					t.Errorf("the state of a heap that was not warmed up: %v", err)
				}
				resume(t, img)
				if err := img.Close(); err != nil {
					t.Error(err)
				}
				if err := v.Heap.Warmup(); err != nil {
					t.Fatal(err)
				}
				img, clones := freeze(t, v, ps)
				state, err := img.State()
				if err != nil {
					t.Fatal(err)
				}
				f, err := os.CreateTemp(t.TempDir(), "heap")
				if err != nil {
					t.Fatal(err)
				}
				pages := img.Image()
				l := gc.Layout{Size: pages.Size(), Committed: pages.Committed()}
				if err := pages.Content(func(off int, b []byte) error {
					l.Used = off + len(b)
					_, err := f.WriteAt(b, int64(off))
					return err
				}); err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(state)
				if err != nil {
					t.Fatal(err)
				}
				var read gc.State
				if err := json.Unmarshal(text, &read); err != nil {
					t.Fatal(err)
				}
				again, err := gc.ImageFromFile(f, 0, l)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				cfg := gc.Config{Options: plan.Options{Types: v.Heap.Mem.Types, Workers: 2, Sanity: true}}
				badStates(t, cfg, read, again)
				ticket, err := gc.Open(cfg, read, again)
				if err != nil {
					t.Fatal(err)
				}
				if err := ticket.Resume(); !errors.Is(err, gc.ErrNotForking) {
					t.Errorf("resume of an opened ticket: %v", err)
				}
				opened := img.Reopen(ticket)
				child, forked := fork(t, opened, ps, clones, nil)
				for i, p := range forked {
					if err := SameHeap(p.t, ps[i].t); err != nil {
						t.Fatal(err)
					}
				}
				if n := child.Heap.Sched.Collections(); n != state.Collections {
					t.Errorf("%d collections, want %d", n, state.Collections)
				}
				resume(t, img)
				if err := errors.Join(img.Close(), opened.Close()); err != nil {
					t.Error(err)
				}
				closeVM(t, v)
				v, ps = child, forked
				if name != "nogc" {
					collect(t, v)
				}
			}
			verify(t, name, ps, total)
			closeVM(t, v)
		})
	}
	before.check(t)
}

// badStates opens states that do not fit: errors, and the image stays the caller's.
func badStates(t *testing.T, cfg gc.Config, s gc.State, img *gc.Image) {
	t.Helper()
	for what, change := range map[string]func(s *gc.State){
		"blocks":        func(s *gc.State) { s.Memory.Blocks++ },
		"no blocks":     func(s *gc.State) { s.Memory.Blocks = 0 },
		"all blocks":    func(s *gc.State) { s.Memory.Blocks = ^uint32(0) },
		"limit":         func(s *gc.State) { s.Memory.Limit = 1 << 40 },
		"no limit":      func(s *gc.State) { s.Memory.Limit = -1 },
		"short table":   func(s *gc.State) { s.Memory.Taken = s.Memory.Taken[1:] },
		"no table":      func(s *gc.State) { s.Memory.Dirty = nil },
		"unused blocks": func(s *gc.State) { s.Memory.Taken[len(s.Memory.Taken)-1] = ^uint64(0) },
		"block 0":       func(s *gc.State) { s.Memory.Taken[0] &^= 1 },
		"size":          func(s *gc.State) { s.MaxBytes = -1 },
		"plan":          func(s *gc.State) { s.Plan = "Immix" },
	} {
		bad := s
		bad.Memory.Taken = append([]uint64(nil), s.Memory.Taken...)
		cfg := cfg
		change(&bad)
		if what == "plan" {
			cfg.Plan = "semispace"
		}
		if _, err := gc.Open(cfg, bad, img); !errors.Is(err, gc.ErrBadState) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var unknown *gc.PlanError
	s.Plan = "nonsense"
	if _, err := gc.Open(cfg, s, img); !errors.As(err, &unknown) {
		t.Errorf("an unknown plan: %v", err)
	}
}
