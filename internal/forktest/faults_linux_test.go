package forktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/wasi"
	"golang.org/x/sys/unix"
)

// Forks need neither files in memory nor to be told which pages were written: without them they copy more.
func TestPoorSystems(t *testing.T) {
	left := CountLeft()
	for name, f := range map[string]*mem.Faults{"no memfd": {NoFiles: true}, "no PAGEMAP_SCAN": {NoScan: true}, "no pagemap": {NoPagemap: true}} {
		for _, tr := range Transports()[:2] {
			for _, g := range []*Guest{&Lively, &Threads, &Alone, &Objects} {
				t.Run(strings.Join([]string{name, tr.Name, g.Name}, "/"), func(t *testing.T) {
					defer mem.SetFaults(f)()
					try(t, g, &tr, spindle.FreezeOptions{}, spindle.Config{Forkable: true})
				})
			}
		}
	}
	if more := left.More(); more != "" {
		t.Error(more)
	}
}

// standing calls f at one safepoint of a guest, with the guest's run on both sides of it compared with one in which nothing happens. Children's first safepoints wait
// for release.
func standing(t *testing.T, g *Guest, cfg spindle.Config, f func(w *World, p *spindle.Process, release func())) {
	t.Helper()
	ctx := t.Context()
	want, total := reference(ctx, t, g, cfg)
	w, err := NewWorld(ctx, g, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, released := 0, make(chan struct{})
	var once sync.Once
	cfg.AtSafepoint = func(p *spindle.Process) {
		if p.Generation() > 0 {
			<-released
			return
		}
		if n++; n == total/2 {
			f(w, p, func() { once.Do(func() { close(released) }) })
		}
	}
	p, err := w.Start(ctx, cfg, strings.NewReader(g.Stdin))
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.Wait(ctx, p)
	if err := errors.Join(err, p.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if d := want.Diff(o); d != "" {
		t.Errorf("the parent %s", d)
	}
}

// Whatever call of the system fails in a freeze, a fork or both, there is an error, or a child that is as it should be; the parent goes on; and nothing is left.
func TestEachCallFails(t *testing.T) {
	left := CountLeft()
	for _, g := range []*Guest{&Traps, &Clocks, &Objects} {
		for _, forkable := range []bool{true, false} {
			if g.GC && !forkable {
				continue
			}
			t.Run(fmt.Sprintf("%s/forkable %v", g.Name, forkable), func(t *testing.T) {
				failed := 0
				for call, last := int64(1), false; !last && call < 1000; call++ {
					faults := &mem.Faults{After: call}
					cfg := spindle.Config{Forkable: forkable, GC: spindle.GCConfig{Workers: 1, Sanity: true}}
					if !g.GC {
						cfg.GC = spindle.GCConfig{}
					}
					standing(t, g, cfg, func(w *World, p *spindle.Process, release func()) {
						defer release()
						child, err := forkWithFaults(w, p, faults)
						last = !faults.Failed.Load()
						if err != nil {
							failed++
							if !errors.Is(err, mem.ErrFault) {
								t.Errorf("call %d: the error does not tell why: %v", call, err)
							}
							return
						}
						release()
						o, err := w.Wait(context.Background(), child)
						if err := errors.Join(err, child.Close()); err != nil {
							t.Errorf("call %d: %v", call, err)
						}
						if g.Name != Traps.Name && o.End != "exit 0" {
							t.Errorf("call %d: the child %s", call, o.End)
						}
					})
				}
				if failed < 3 {
					t.Errorf("only %d calls whose failure is an error", failed)
				}
			})
		}
	}
	if more := left.More(); more != "" {
		t.Error(more)
	}
}

func forkWithFaults(w *World, p *spindle.Process, f *mem.Faults) (*spindle.Process, error) {
	defer mem.SetFaults(f)()
	img, _, err := p.Freeze(context.Background(), spindle.FreezeOptions{})
	if err != nil {
		return nil, err
	}
	out := NewBuffer(w.Printed(p))
	options := map[string]any{wasi.ModuleName: &wasi.ForkOptions{Stdout: out}}
	child, err := img.Fork(context.Background(), spindle.ForkConfig{Options: options, Before: func(child *spindle.Process) error {
		w.setOut(child, out)
		return nil
	}})
	return child, errors.Join(err, img.Close())
}

// With no descriptors to be had, or so many more, every way to make a child of a guest fails with the system's reason, and the guest goes on.
func TestNoDescriptors(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	left := CountLeft()
	for _, tr := range Transports() {
		for _, g := range []*Guest{&Clocks, &Objects} {
			t.Run(tr.Name+"/"+g.Name, func(t *testing.T) {
				failed := 0
				for more := 0; more < 40; more++ {
					done := false
					standing(t, g, spindle.Config{Forkable: true}, func(w *World, p *spindle.Process, release func()) {
						release()
						img, err := func() (*spindle.Image, error) {
							defer limitFiles(t, old, more)()
							img, _, err := p.Freeze(context.Background(), spindle.FreezeOptions{})
							return img, err
						}()
						if err == nil {
							func() {
								defer limitFiles(t, old, more)()
								_, err = tr.Go(context.Background(), w, img, w.Printed(p), nil)
							}()
							err = errors.Join(err, img.Close())
						}
						if done = err == nil; done {
							return
						}
						failed++
						var fork *spindle.ForkError
						var standby *spindle.StandbyError
						if !errors.Is(err, unix.EMFILE) && !errors.As(err, &fork) && !errors.As(err, &standby) {
							t.Errorf("%d more: %v", more, err)
						}
					})
					if done {
						break
					}
				}
				if failed == 0 && tr.Name != "fork" { // which need not take one
					t.Error("nothing failed")
				}
			})
		}
	}
	if more := left.More(); more != "" {
		t.Error(more)
	}
}

// limitFiles leaves room for so many more descriptors. The limit is on their numbers (getrlimit(2)), and there may be free ones between those that are in use.
func limitFiles(t *testing.T, old unix.Rlimit, more int) (undo func()) {
	n := uint64(0)
	for ; ; n++ {
		if _, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil {
			continue
		}
		if more == 0 {
			break
		}
		more--
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(n, old.Max), Max: old.Max}); err != nil {
		t.Error(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}
}
