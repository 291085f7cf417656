package wasi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
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

const forkImports = `(module
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(import "wasix_32v1" "proc_fork" (func $proc_fork (param i32 i32) (result i32)))
	(import "wasix_32v1" "proc_join" (func $proc_join (param i32 i32 i32) (result i32)))
	(import "wasix_32v1" "proc_id" (func $proc_id (param i32) (result i32)))
	(import "wasix_32v1" "proc_parent" (func $proc_parent (param i32 i32) (result i32)))
	(import "wasix_32v1" "proc_exit2" (func $proc_exit2 (param i32)))
	(import "wasix_32v1" "fd_pipe" (func $fd_pipe (param i32 i32) (result i32)))
	(import "spindle" "fork" (func $fork (param i32) (result i32)))
	(import "spindle" "wait" (func $wait (param i32 i32 i32) (result i32)))
	(import "spindle" "generation" (func $generation (result i64)))
	(import "spindle" "snapshot" (func $snapshot (result i32)))
	(memory (export "memory") 1)
	(func $ok (param i32) (if (local.get 0) (then unreachable)))
	(func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
	;; $io writes or reads n bytes at p by way of a vector at 1024.
	(func $out (param $fd i32) (param $p i32) (param $n i32)
		(i32.store (i32.const 1024) (local.get $p)) (i32.store (i32.const 1028) (local.get $n))
		(call $ok (call $write (local.get $fd) (i32.const 1024) (i32.const 1) (i32.const 1032))))
	(func $in (param $fd i32) (param $p i32) (param $n i32) (result i32)
		(i32.store (i32.const 1024) (local.get $p)) (i32.store (i32.const 1028) (local.get $n))
		(call $ok (call $read (local.get $fd) (i32.const 1024) (i32.const 1) (i32.const 1032)))
		(i32.load (i32.const 1032)))
	`

func runFork(t *testing.T, body string, cfg wasi.Config) error {
	t.Helper()
	return runGuest(t, forkImports+body+")", cfg)
}

func runGuest(t *testing.T, src string, cfg wasi.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	p, err := wasi.Start(ctx, rt, mod, cfg, spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	return errors.Join(p.Wait(ctx), p.Close())
}

// The calls of WASIX: a child that sends through a pipe, its status, identifiers, and their errors.
func TestWasixFork(t *testing.T) {
	var out forktest.Buffer
	err := runFork(t, `
		(data (i32.const 100) "from the child\n")
		(func (export "_start") (local $child i32)
			(call $ok (call $fd_pipe (i32.const 0) (i32.const 4)))
			(i32.store8 (i32.const 40) (i32.const 2)) ;; no option
			(call $check (i32.eq (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)) (i32.const 28))) ;; EINVAL
			(i32.store8 (i32.const 40) (i32.const 0))
			(call $check (i32.eq (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)) (i32.const 12))) ;; ECHILD
			(call $ok (call $proc_fork (i32.const 1) (i32.const 8)))
			(local.set $child (i32.load (i32.const 8)))
			(if (i32.eqz (local.get $child)) (then
				(call $ok (call $proc_id (i32.const 12)))
				(call $ok (call $proc_parent (i32.load (i32.const 12)) (i32.const 16)))
				(call $check (i32.eq (i32.load (i32.const 16)) (i32.const 1)))
				(call $ok (call $close (i32.load (i32.const 0))))
				(call $out (i32.load (i32.const 4)) (i32.const 100) (i32.const 15))
				(call $proc_exit2 (i32.const 42))))
			(call $ok (call $close (i32.load (i32.const 4))))
			(call $check (i32.eq (call $in (i32.load (i32.const 0)) (i32.const 200) (i32.const 100)) (i32.const 15)))
			(call $out (i32.const 1) (i32.const 200) (i32.const 15))
			(call $check (i32.eqz (call $in (i32.load (i32.const 0)) (i32.const 200) (i32.const 100)))) ;; the end: the child has closed its copy
			(i32.store8 (i32.const 40) (i32.const 1)) (i32.store (i32.const 44) (local.get $child))
			(call $ok (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)))
			(call $check (i32.eq (i32.load (i32.const 44)) (local.get $child)))
			(call $check (i32.eq (i32.load8_u (i32.const 48)) (i32.const 1)))
			(call $check (i32.eq (i32.load16_u (i32.const 50)) (i32.const 42)))
			;; a child that traps
			(call $ok (call $proc_fork (i32.const 1) (i32.const 8)))
			(if (i32.eqz (i32.load (i32.const 8))) (then unreachable))
			(i32.store8 (i32.const 40) (i32.const 0))
			(call $ok (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)))
			(call $check (i32.eq (i32.load (i32.const 44)) (i32.load (i32.const 8))))
			(call $check (i32.eq (i32.load8_u (i32.const 48)) (i32.const 2)))
			(call $check (i32.eq (i32.load8_u (i32.const 52)) (i32.const 6))))`, wasi.Config{Stdout: &out})
	if err != nil || out.String() != "from the child\n" {
		t.Errorf("%v, printed %q", err, out.String())
	}
}

// A child is made from within calls by a table, exception handlers and deep recursion, by the main thread and by another one, which then is the child's only thread: where that ends the child
// does. Each of these returns from there as the parent does.
func TestForkFromAnywhere(t *testing.T) {
	const body = `
		(type $f (func (result i32)))
		(table funcref (elem $forks))
		(tag $e (param i32))
		(global $depth (mut i32) (i32.const 0))
		;; the identifier of a child, 0 in the child; the stack of calls is the same in both
		(func $forks (type $f)
			(call $ok (call $proc_fork (i32.const 1) (i32.const 8)))
			(i32.load (i32.const 8)))
		(func $deep (param $n i32) (result i32) (local $r i32)
			(if (i32.eqz (local.get $n)) (then
				(block $h (result i32)
					(try_table (result i32) (catch $e $h) (throw $e (call_indirect (type $f) (i32.const 0)))))
				(return)))
			(global.set $depth (i32.add (global.get $depth) (i32.const 1)))
			(local.set $r (block $h (result i32)
				(try_table (result i32) (catch $e $h) (throw $e (call $deep (i32.sub (local.get $n) (i32.const 1)))))))
			(global.set $depth (i32.sub (global.get $depth) (i32.const 1)))
			(local.get $r))
		(func $family (param $thread i32) (local $child i32) (local $k i32)
			(loop $again
				(local.set $child (call $deep (i32.mul (local.get $k) (i32.const 100))))
				(call $check (i32.eqz (global.get $depth)))
				(if (i32.eqz (local.get $child)) (then
					;; a grandchild, that its parent cannot wait for twice, nor its grandparent at all
					(if (i32.eqz (call $deep (i32.const 10))) (then (call $proc_exit2 (i32.const 300))))
					(i32.store (i32.const 40) (i32.const 0))
					(call $ok (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)))
					(call $check (i32.eq (i32.load16_u (i32.const 50)) (i32.const 300)))
					(call $check (i32.eq (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)) (i32.const 12))) ;; ECHILD
					(if (local.get $k) (then (call $proc_exit2 (i32.add (i32.const 60) (local.get $k)))))
					(return))) ;; the end of the thread, and of the child
				(call $status (local.get $child) (select (i32.add (i32.const 60) (local.get $k)) (i32.const 0) (local.get $k)))
				(br_if $again (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 3)))))
		(func $status (param $pid i32) (param $code i32)
			(i32.store (i32.const 40) (i32.const 1)) (i32.store (i32.const 44) (local.get $pid))
			(call $ok (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)))
			(call $check (i32.eq (i32.load8_u (i32.const 48)) (i32.const 1)))
			(call $check (i32.eq (i32.load16_u (i32.const 50)) (local.get $code)))
			(call $check (i32.eq (call $proc_join (i32.const 40) (i32.const 0) (i32.const 48)) (i32.const 12))))
		(func (export "wasi_thread_start") (param i32 i32)
			(call $family (i32.const 1))
			(i32.atomic.store (i32.const 60) (i32.const 1))
			(drop (memory.atomic.notify (i32.const 60) (i32.const 1))))
		(func (export "_start")
			(call $family (i32.const 0))
			(call $ok (i32.lt_s (call $spawn (i32.const 0)) (i32.const 1)))
			(drop (memory.atomic.wait32 (i32.const 60) (i32.const 0) (i64.const -1)))
			(call $check (i32.eq (i32.atomic.load (i32.const 60)) (i32.const 1))))`
	if err := runGuest(t, threadedFork(body), wasi.Config{}); err != nil {
		t.Error(err)
	}
}

// proc_join that is not to wait tells nothing while there is nothing to tell.
func TestWasixJoinWithoutWaiting(t *testing.T) {
	err := runFork(t, `
		(func (export "_start") (local $child i32)
			(call $ok (call $fd_pipe (i32.const 0) (i32.const 4)))
			(call $ok (call $proc_fork (i32.const 1) (i32.const 8)))
			(if (i32.eqz (local.tee $child (i32.load (i32.const 8)))) (then
				(call $ok (call $close (i32.load (i32.const 4))))
				(call $check (i32.eqz (call $in (i32.load (i32.const 0)) (i32.const 200) (i32.const 1)))) ;; until the parent closes its end
				(call $proc_exit2 (i32.const 5))))
			;; any child, then that one
			(call $ok (call $proc_join (i32.const 40) (i32.const 1) (i32.const 48)))
			(call $check (i32.eqz (i32.load8_u (i32.const 48))))
			(i32.store (i32.const 40) (i32.const 1)) (i32.store (i32.const 44) (local.get $child))
			(call $ok (call $proc_join (i32.const 40) (i32.const 1) (i32.const 48)))
			(call $check (i32.eqz (i32.load8_u (i32.const 48))))
			(i32.store (i32.const 44) (i32.add (local.get $child) (i32.const 1))) ;; nobody
			(call $check (i32.eq (call $proc_join (i32.const 40) (i32.const 1) (i32.const 48)) (i32.const 12)))
			(call $ok (call $close (i32.load (i32.const 4))))
			(i32.store (i32.const 40) (i32.const 0))
			(loop $until
				(call $ok (call $proc_join (i32.const 40) (i32.const 1) (i32.const 48)))
				(br_if $until (i32.eqz (i32.load8_u (i32.const 48)))))
			(call $check (i32.eq (i32.load8_u (i32.const 40)) (i32.const 1)))
			(call $check (i32.eq (i32.load (i32.const 44)) (local.get $child)))
			(call $check (i32.eq (i32.load8_u (i32.const 48)) (i32.const 1)))
			(call $check (i32.eq (i32.load16_u (i32.const 50)) (i32.const 5))))`, wasi.Config{})
	if err != nil {
		t.Error(err)
	}
}

// threadedFork is a guest that imports what forkImports has, and has threads.
func threadedFork(body string) string {
	return strings.Replace(forkImports, `(memory (export "memory") 1)`, `
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(import "spindle" "pid" (func $pid (result i32)))
		(import "env" "memory" (memory 1 1 shared))
		(export "memory" (memory 0))`, 1) + body + ")"
}

// unique is a guest whose children each write a record of 32 bytes: 16 random ones, a number of a generator that the hook has seeded, the identifiers of the Process and of a thread
// that it starts. It forks any number of times, or waits at its snapshot to be forked by others.
const unique = `
		(global $seed (mut i64) (i64.const 42))
		(func (export "wasi_thread_start") (param $tid i32) (param i32)
			(i32.atomic.store (i32.const 28) (local.get $tid))
			(drop (memory.atomic.notify (i32.const 28) (i32.const 1))))
		(func (export "spindle_fork_child") (param i64 i32) (result i32)
			(if (call $random (i32.const 80) (i32.const 8)) (then (return (i32.const 1))))
			(global.set $seed (i64.load (i32.const 80)))
			(i32.const 0))
		(func $record
			(call $ok (call $random (i32.const 0) (i32.const 16)))
			(i64.store (i32.const 16) (i64.mul (global.get $seed) (i64.const 0x9E3779B97F4A7C15)))
			(i32.store (i32.const 24) (call $pid))
			(i32.atomic.store (i32.const 28) (i32.const 0))
			(call $ok (i32.lt_s (call $spawn (i32.const 0)) (i32.const 1)))
			(drop (memory.atomic.wait32 (i32.const 28) (i32.const 0) (i64.const -1)))
			(call $out (i32.const 1) (i32.const 0) (i32.const 32)))
		(func (export "_start") (local $i i32)
			(if (call $snapshot) (then (call $record) (return)))
			(call $check (i64.eqz (call $generation)))
			(call $record) ;; the parent's, before
			(call $ok (call $clock (i32.const 1) (i64.const 1) (i32.const 32)))
			(loop $l
				(if (i32.eqz (call $fork (i32.const 0))) (then
					(call $check (i64.eq (call $generation) (i64.const 1)))
					(call $ok (call $clock (i32.const 1) (i64.const 1) (i32.const 40)))
					(call $check (i64.ge_u (i64.load (i32.const 40)) (i64.load (i32.const 32))))
					(call $record)
					(return)))
				(call $ok (i32.lt_s (call $wait (i32.const 0) (i32.const 0) (i32.const 48)) (i32.const 1)))
				(call $check (i64.eqz (i64.load (i32.const 48))))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000)))))`

// checkUnique looks for anything that two records have in common.
func checkUnique(t *testing.T, records string, n int, but ...string) {
	t.Helper()
	if len(records) != n*32 {
		t.Fatalf("%d bytes of records, want %d", len(records), n*32)
	}
	for what, field := range map[string][2]int{"random bytes": {0, 16}, "number of the generator": {16, 24}, "identifier of a Process": {24, 28}, "identifier of a thread": {28, 32}} {
		if slices.Contains(but, what) {
			continue
		}
		seen := map[string]int{}
		for k := range n {
			v := records[k*32:][field[0]:field[1]]
			if of, ok := seen[v]; ok {
				t.Fatalf("records %d and %d have the same %s: %x", of, k, what, v)
			}
			seen[v] = k
		}
	}
}

// openSnapshot opens an image with a System of its own.
func openSnapshot(ctx context.Context, rt *spindle.Runtime, f *os.File) (img *spindle.Image, closeSystem func() error, err error) {
	sys, err := wasi.New(wasi.Config{Stdout: io.Discard})
	if err != nil {
		return nil, nil, err
	}
	img, err = rt.OpenImage(ctx, f, spindle.OpenConfig{Config: spindle.Config{Imports: spindle.Imports{
		wasi.ModuleName: sys, wasi.ThreadModule: wasi.Threads(), wasi.WasixModule: wasi.Wasix(sys), wasi.ForkModule: wasi.Forks(nil),
	}}})
	if err != nil {
		return nil, nil, errors.Join(err, sys.Close())
	}
	return img, sys.Close, nil
}

// A thousand children of a guest's, then as many of the host's, and of a snapshot that is opened twice: no two have the same random bytes, generator, or identifiers of Processes
// and threads; generations count, clocks go on.
func TestChildrenAreUnique(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(threadedFork(unique)))
	if err != nil {
		t.Fatal(err)
	}
	var out forktest.Buffer
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{Stdout: &out}, spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Wait(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	checkUnique(t, out.String(), 1001)

	// At the snapshot, by the host.
	img := make(chan *spindle.Image, 1)
	point := wasi.Forks(func(c *spindle.Caller) int32 {
		i, _, err := c.Freeze(c.Context(), spindle.FreezeOptions{}, spindle.Answer{Results: []uint64{1}})
		if err != nil {
			c.Fail(err)
		}
		img <- i
		c.Fail(&spindle.ExitError{})
		return 0
	})
	p, err = wasi.Start(ctx, rt, mod, wasi.Config{}, spindle.Config{Forkable: true, Imports: spindle.Imports{wasi.ForkModule: point}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	at := <-img
	records := &forktest.Buffer{}
	children := func(img *spindle.Image, n int) {
		t.Helper()
		for range n {
			c, err := img.Fork(ctx, spindle.ForkConfig{Options: map[string]any{wasi.ModuleName: &wasi.ForkOptions{Stdout: records}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	children(at, 400)
	f, err := os.Create(filepath.Join(t.TempDir(), "app.snap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := at.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		opened, closeSystem, err := openSnapshot(ctx, rt, f)
		if err != nil {
			t.Fatal(err)
		}
		children(opened, 300)
		if err := errors.Join(opened.Close(), closeSystem()); err != nil {
			t.Error(err)
		}
	}
	all := records.String()
	checkUnique(t, all, 1000, "identifier of a thread")
	for _, of := range [][2]int{{0, 400}, {400, 700}, {700, 1000}} { // there are not as many identifiers of threads that any two snapshots would have their own
		checkUnique(t, all[32*of[0]:32*of[1]], of[1]-of[0])
	}
	if err := errors.Join(at.Close(), p.Close()); err != nil {
		t.Error(err)
	}
}

// A wait with a timeout that is forked in its middle is over in the child after what was left.
func TestForkInAWait(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(forkImports+`
		(func (export "_start")
			(i64.store (i32.const 24) (i64.const 400000000)) ;; poll_oneoff: 0.4 s of the realtime clock
			(call $ok (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
			(call $check (i32.eq (i32.load (i32.const 128)) (i32.const 1)))
			(call $check (i32.eq (call $in (i32.const 0) (i32.const 200) (i32.const 10)) (i32.const 2)))
			(call $out (i32.const 1) (i32.const 200) (i32.const 2))))`))
	if err != nil {
		t.Fatal(err)
	}
	var out forktest.Buffer
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	begin := time.Now()
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{Stdin: r, Stdout: &out}, spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	fork := func(input string) (*spindle.Process, *forktest.Buffer) {
		t.Helper()
		out := &forktest.Buffer{}
		c, _, err := p.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{Options: map[string]any{
			wasi.ModuleName: &wasi.ForkOptions{Stdin: strings.NewReader(input), Stdout: out},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return c, out
	}
	blocked := func() bool { // in a host function, waiting
		dump, err := p.ThreadDump(ctx)
		return err == nil && len(dump.Threads) > 0 && dump.Threads[0].State.String() == "in a host function"
	}
	for !blocked() {
		runtime.Gosched()
	}
	child, childOut := fork("AB")
	if err := child.Wait(ctx); err != nil || childOut.String() != "AB" {
		t.Errorf("the child ended with %v and printed %q", err, childOut)
	}
	if d := time.Since(begin); d < 400*time.Millisecond {
		t.Errorf("the child's wait was over after %v", d)
	}
	child.Close()
	// Now the parent waits for its standard input; children read their own.
	for range 3 {
		child, childOut := fork("CD")
		if err := errors.Join(child.Wait(ctx), child.Close()); err != nil || childOut.String() != "CD" {
			t.Errorf("a child that was reading ended with %v and printed %q", err, childOut)
		}
	}
	if _, err := w.WriteString("EF"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := errors.Join(p.Wait(ctx), p.Close()); err != nil || out.String() != "EF" {
		t.Errorf("the parent ended with %v and printed %q", err, out.String())
	}
}

// A child is not given more listening sockets than its parent has; they are closed.
func TestForkWithTooManyListeners(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(forkImports+")"))
	if err != nil {
		t.Fatal(err)
	}
	inst, err := wasi.Instantiate(ctx, rt, mod, wasi.Config{}, spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, _, err = inst.Process().Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{Options: map[string]any{
		wasi.ModuleName: &wasi.ForkOptions{Listeners: []net.Listener{l}},
	}})
	if err == nil || !strings.Contains(err.Error(), "fewer listening sockets") {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}
