package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

//go:embed threads.wat
var threadsText string

// Kinds of threads: indices in the table of threads.wat.
const (
	sleepers = 3
	busy     = 4
	readers  = 5
)

// threadGuest is threads.wat, compiled, with the host functions that it imports.
type threadGuest struct {
	rt    *spindle.Runtime
	mod   *spindle.Module
	count [8]uint32 // how many threads of each kind it is to start
	now   func()    // called by the guest, if not nil
	at    time.Time // after that
}

// newThreadGuest compiles the module with a table of so many entries.
func newThreadGuest(ctx context.Context, table int) (*threadGuest, error) {
	wasm, err := spindle.Assemble([]byte(strings.ReplaceAll(threadsText, "{{TABLE}}", strconv.Itoa(table))))
	if err != nil {
		return nil, err
	}
	g := &threadGuest{rt: spindle.NewRuntime()}
	if g.mod, err = g.rt.Compile(ctx, wasm); err != nil {
		return nil, errors.Join(err, g.rt.Close())
	}
	return g, nil
}

func (g *threadGuest) Close() error { return g.rt.Close() }

func (g *threadGuest) imports() spindle.Imports {
	return spindle.Imports{"bench": spindle.HostModule{
		"now": spindle.Proc0(func(*spindle.Caller) {
			if g.now != nil {
				g.now()
			}
			g.at = time.Now()
		}),
		"count": spindle.Func1(func(_ *spindle.Caller, kind uint32) uint32 { return g.count[kind&7] }),
	}}
}

// instance is for functions that measure themselves by returning.
func (g *threadGuest) instance(ctx context.Context) (*spindle.Instance, error) {
	return wasi.Instantiate(ctx, g.rt, g.mod, wasi.Config{}, spindle.Config{Imports: g.imports()})
}

// run runs an entry as a Process of its own. It returns how that ended, and how long after the guest's call of now that was known: when
// all threads have left.
func (g *threadGuest) run(ctx context.Context, entry string, stdin io.Reader) (took time.Duration, end, err error) {
	threads := 0
	for _, n := range g.count {
		threads += int(n)
	}
	p, err := wasi.Start(ctx, g.rt, g.mod, wasi.Config{Stdin: stdin}, spindle.Config{Imports: g.imports(), Entry: entry, MaxThreads: threads})
	if err != nil {
		return 0, nil, err
	}
	end = p.Wait(ctx)
	took = time.Since(g.at)
	return took, end, p.Close()
}

// blockedFigures are of many threads that are blocked at the same time.
type blockedFigures struct {
	threads int64
	each    int64         // resident bytes of a thread
	wake    time.Duration // from the notification until all have left
}

func (b blockedFigures) String() string {
	return fmt.Sprintf("%d %d %d", b.threads, b.each, b.wake.Nanoseconds())
}

// blockGuests blocks n guest threads in one Process. Only a program that has done nothing else before gives the bytes right.
func blockGuests(ctx context.Context, n int) (f blockedFigures, err error) {
	g, err := newThreadGuest(ctx, 6)
	if err != nil {
		return f, err
	}
	defer g.Close()
	before, err := resident()
	if err != nil {
		return f, err
	}
	var failed error
	g.count[sleepers] = uint32(n)
	g.now = func() {
		var after int64
		after, failed = resident()
		f.threads, f.each = int64(n), (after-before)/int64(n)
	}
	var end error
	f.wake, end, err = g.run(ctx, "blocked", nil)
	return f, errors.Join(end, err, failed)
}

// resident is how much of this process is in memory, garbage left out.
func resident() (int64, error) {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0, fmt.Errorf("/proc/self/statm: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// trapWhile measures from a trap in a Process with other threads of all kinds to the report that it has ended.
func (g *threadGuest) trapWhile(ctx context.Context, mix [3]int) (time.Duration, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	defer w.Close()
	g.count[busy], g.count[sleepers], g.count[readers] = uint32(mix[0]), uint32(mix[1]), uint32(mix[2])
	took, end, err := g.run(ctx, "trap", r)
	var trap *spindle.TrapError
	if err == nil && (!errors.As(end, &trap) || trap.Code != spindle.TrapUnreachable) {
		err = fmt.Errorf("the guest ended with %v, not with its trap", end)
	}
	return took, err
}
