package pthread_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/forktest"
	"github.com/spindle-wasm/spindle/wasi"
)

// Every program is forked with all of its threads at some moments of its run, and the children, too. Each child goes on to the same end as the program that was not
// forked.
func TestForksOfPrograms(t *testing.T) {
	sources, err := filepath.Glob(filepath.Join("tests", "*.c*"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := []string{"ends", "everywhere", "overrun", "guard", "stack", "stdio", "host", "hostlib", "hostfork", "limit"}
	forks := 0
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
		if !slices.Contains(elsewhere, name) {
			t.Run(name, func(t *testing.T) { forks += forkProgram(t, name) })
		}
	}
	if forks < 20 {
		t.Errorf("only %d forks", forks)
	}
}

// output is what a Process has printed. A child's begins with what its parent had printed when all threads stood.
type output struct {
	forktest.Buffer
	spindle.HostModule // without functions
}

func (o *output) Freeze(*spindle.Process) (spindle.FrozenModule, error) {
	return printed(o.String()), nil
}

type printed string

func (s printed) Fork(_ *spindle.Process, own any) (spindle.ImportModule, error) {
	o := own.(*output)
	_, err := io.WriteString(o, string(s))
	return o, err
}

func (printed) Close() error { return nil }

func forkProgram(t *testing.T, name string) (forks int) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	rt, mod := compile(t, ctx, nil, name)
	rnd := rand.New(rand.NewPCG(uint64(len(name)), 7))
	out := &output{}
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{Args: []string{name}, Stdout: out, Stderr: out}, spindle.Config{MaxThreads: 200, Forkable: true, Imports: spindle.Imports{"output": out}})
	if err != nil {
		t.Fatal(err)
	}
	type process struct {
		*spindle.Process
		out *output
	}
	all := []process{{p, out}}
	for range 6 {
		of := all[rnd.IntN(len(all))]
		for range rnd.IntN(1 << rnd.IntN(8)) { // moments are counted in stops, each at the next safepoints
			if of.Pause(ctx) == nil {
				of.Resume()
			}
			runtime.Gosched()
		}
		img, _, err := of.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			if dump, e := of.ThreadDump(ctx); e == nil && dump.Ending {
				continue
			}
			t.Fatal(err)
		}
		child := &output{}
		c, err := img.Fork(ctx, spindle.ForkConfig{Options: map[string]any{"output": child, wasi.ModuleName: &wasi.ForkOptions{Stdout: child, Stderr: child}}})
		if err := errors.Join(err, img.Close()); err != nil {
			t.Fatal(err)
		}
		forks++
		all = append(all, process{c, child})
	}
	for i, p := range all {
		if err := p.Wait(ctx); err != nil || p.out.String() != "ok\n" {
			t.Errorf("Process %d of %d ended with %v and printed %q", i, len(all), err, p.out.String())
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	return forks
}

// A program with handlers (pthread_atfork) is forked by the host with its main thread only, while others allocate and hold locks: each child can use all that they shared, or there
// is no child. A generator that is seeded in a handler differs in all.
func TestForksWithHandlers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	rt, mod := compile(t, ctx, nil, "hostfork")
	in, feed := io.Pipe()
	out := &forktest.Buffer{}
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{Args: []string{"hostfork", "host"}, Stdin: in, Stdout: out, Stderr: out}, spindle.Config{Forkable: true, ForkHookTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for {
		dump, err := p.ThreadDump(ctx)
		if err != nil {
			t.Fatal(err)
		}
		early := func(th spindle.ThreadInfo) bool { return len(th.Frames) == 0 } // it has not begun
		if len(dump.Threads) == 4 && dump.Threads[0].State == spindle.ThreadInHost && !slices.ContainsFunc(dump.Threads, early) {
			break
		}
		runtime.Gosched()
	}
	seeds := map[string]bool{}
	ends := func(p *spindle.Process, out *forktest.Buffer, who string) {
		t.Helper()
		err := p.Wait(ctx)
		var kind, seed string
		if n, _ := fmt.Sscan(out.String(), &kind, &seed); err != nil || n != 2 || kind != who || seeds[seed] {
			t.Fatalf("it ended with %v and printed %q", err, out.String())
		}
		seeds[seed] = true
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	children := 0
	for children < 30 {
		img, stats, err := p.Freeze(ctx, spindle.FreezeOptions{CallerOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(stats.Gone) != 3 {
			t.Errorf("%d threads are gone", len(stats.Gone))
		}
		for _, gone := range stats.Gone {
			if len(gone.Frames) == 0 {
				t.Errorf("nobody knows where thread %d stood", gone.ID)
			}
		}
		for range 2 {
			out := &forktest.Buffer{}
			c, err := img.Fork(ctx, spindle.ForkConfig{Options: map[string]any{wasi.ModuleName: &wasi.ForkOptions{Stdin: strings.NewReader("c"), Stdout: out, Stderr: out}}})
			if fe := (*spindle.ForkError)(nil); errors.As(err, &fe) && fe.Hook == spindle.HookChild && strings.Contains(err.Error(), "it returned 10") {
				continue // EBUSY: a thread that is gone held the allocator's lock
			}
			if err != nil {
				t.Fatal(err)
			}
			children++
			ends(c, out, "c")
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := feed.Write([]byte("p")); err != nil {
		t.Fatal(err)
	}
	ends(p, out, "p")
}
