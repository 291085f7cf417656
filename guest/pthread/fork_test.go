package pthread_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// buffer is a writer whose content another goroutine may take at any time.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Every program is forked with all of its threads at some moments of its run, and the children, too. Each child goes on to the same end as the program that was not
// forked.
func TestForksOfPrograms(t *testing.T) {
	sources, err := filepath.Glob(filepath.Join("tests", "*.c*"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := []string{"ends", "everywhere", "overrun", "guard", "stack", "stdio", "host", "hostlib", "limit"}
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

func forkProgram(t *testing.T, name string) (forks int) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	rt, mod := compile(t, ctx, nil, name)
	rnd := rand.New(rand.NewPCG(uint64(len(name)), 7))
	out := &buffer{}
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{Args: []string{name}, Stdout: out, Stderr: out}, spindle.Config{MaxThreads: 200, Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	type process struct {
		*spindle.Process
		out *buffer
	}
	all := []process{{p, out}}
	for range 6 {
		of := all[rnd.IntN(len(all))]
		select {
		case <-of.Done():
			continue
		case <-time.After(time.Duration(rnd.IntN(4000)) * time.Microsecond):
		}
		img, _, err := of.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			if fe := (*spindle.ForkError)(nil); errors.As(err, &fe) {
				select {
				case <-of.Done():
					continue // it has ended before
				case <-time.After(time.Second):
				}
			}
			t.Fatal(err)
		}
		printed := of.out.String()
		child := &buffer{}
		child.Write([]byte(printed)) //nolint:errcheck // returns none
		c, err := img.Fork(ctx, spindle.ForkConfig{Options: map[string]any{wasi.ModuleName: &wasi.ForkOptions{Stdout: child, Stderr: child}}})
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
