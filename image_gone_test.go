package spindle_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// An image of the main thread alone says of each other thread where it stood: at which address it waits and for how long, in which host function it is, in which
// guest function it runs.
func TestWhereTheThreadsStoodThatAreGone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compileText(t, rt, `(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32))) (import "host" "block" (func $block))
		(memory (export "memory") 1 1 shared)
		(func $sleeper (param i32) (drop (memory.atomic.wait64 offset=8 (local.get 0) (i64.const 0) (i64.const 3600000000000))))
		(func $waiter (drop (memory.atomic.wait32 (i32.const 400) (i32.const 0) (i64.const -1))))
		(func $caller (call $block))
		(func $spinner (i32.atomic.store (i32.const 0) (i32.const 1)) (loop $l (br $l)))
		(func (export "wasi_thread_start") (param i32 i32)
			(if (i32.eq (local.get 1) (i32.const 0)) (then (call $sleeper (i32.const 800))))
			(if (i32.eq (local.get 1) (i32.const 1)) (then (call $waiter)))
			(if (i32.eq (local.get 1) (i32.const 2)) (then (call $caller)))
			(call $spinner))
		(func (export "spawn") (param i32) (result i32) (call $spawn (local.get 0)))
		(func (export "spins") (result i32) (i32.atomic.load (i32.const 0))))`)
	host := spindle.HostModule{"block": spindle.Proc0(func(c *spindle.Caller) { c.Block(func() { <-c.Stopped() }) })}
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Forkable: true, Imports: spindle.Imports{"wasi": threadSpawn(), "host": host}})
	if err != nil {
		t.Fatal(err)
	}
	of := map[uint32]int{}
	for kind := range 4 {
		id, err := inst.Call(ctx, "spawn", uint64(kind))
		if err != nil {
			t.Fatal(err)
		}
		of[uint32(id[0])] = kind
	}
	p := inst.Process()
	for {
		if n, err := inst.Call(ctx, "spins"); err != nil {
			t.Fatal(err)
		} else if n[0] == 1 {
			break
		}
	}
	// They are where they shall be when a dump says so.
	for where := map[spindle.ThreadState]int{}; where[spindle.ThreadWaiting] != 2 || where[spindle.ThreadInHost] != 1; {
		dump, err := p.ThreadDump(ctx)
		if err != nil {
			t.Fatal(err)
		}
		clear(where)
		for _, th := range dump.Threads {
			where[th.State]++
		}
	}
	img, stats, err := p.Freeze(ctx, spindle.FreezeOptions{CallerOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	var got []string
	for _, th := range stats.Gone {
		s := fmt.Sprintf("%d: %v %q", of[th.ID], th.State, th.Host)
		if w := th.Wait; w != nil {
			left := "for ever"
			if w.Left >= 0 {
				left = "more than an hour, or none"
				if w.Left > 50*time.Minute && w.Left <= time.Hour {
					left = "for most of an hour"
				}
			}
			s += fmt.Sprintf(" %d %d %s", w.Addr, w.Bits, left)
		}
		for _, f := range th.Frames {
			s += " " + strings.TrimPrefix(f.Name, "$")
		}
		got = append(got, s)
	}
	slices.Sort(got)
	want := []string{
		`0: waiting "" 808 64 for most of an hour sleeper wasi_thread_start`,
		`1: waiting "" 400 32 for ever waiter wasi_thread_start`,
		`2: in a host function "host.block" caller wasi_thread_start`,
		`3: paused "" spinner wasi_thread_start`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("gone are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
