//go:build unix

package main_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// deadlocked is a program whose threads take two locks in opposite order. Each prints a line when it holds its first lock; the main thread prints one more
// whenever there is something to read.
const deadlocked = `(module $app
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 1 1 shared)
	(data (i32.const 32) "\28\00\00\00\01\00\00\00\0a") (data (i32.const 56) "\34\00\00\00\01\00\00\00")
	(func $lock (param $at i32)
		(loop $l (if (i32.atomic.rmw.cmpxchg (local.get $at) (i32.const 0) (i32.const 1)) (then
			(drop (memory.atomic.wait32 (local.get $at) (i32.const 1) (i64.const -1))) (br $l)))))
	(func $line (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 48))))
	(func $transfer (param $from i32) (param $to i32)
		(call $lock (local.get $from))
		(call $line)
		(drop (i32.atomic.rmw.add (i32.const 16) (i32.const 1)))
		(loop $both (br_if $both (i32.lt_u (i32.atomic.load (i32.const 16)) (i32.const 2))))
		(call $lock (local.get $to)))
	(func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
		(call $transfer (local.get $arg) (i32.sub (i32.const 12) (local.get $arg))))
	(func (export "_start")
		(drop (call $spawn (i32.const 4))) (drop (call $spawn (i32.const 8)))
		(loop $l
			(drop (call $read (i32.const 0) (i32.const 56) (i32.const 1) (i32.const 48)))
			(call $line)
			(br $l))))`

// TestQuit checks that SIGQUIT shows where all guest threads are, with lines of the source, and that the guest goes on.
func TestQuit(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.wat")
	if err := os.WriteFile(file, []byte(deadlocked), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(builtBinary, "run", file)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, messages := start(t, cmd)
	line := func(r *bufio.Reader) string {
		s, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, s)
		}
		return s
	}
	line(out)
	line(out)
	// The outermost frames of all three threads are functions of such names.
	dump := func() (s string) {
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		for strings.Count(s, "_start (") < 3 {
			s += line(messages)
		}
		return s
	}
	place := func(line string) string { return `app\.wat:` + line + `:\d+\)\n` }
	want := regexp.MustCompile(`^guest threads: 3

thread 0 \(main\): in host function wasi_snapshot_preview1\.fd_read
   0: app!_start \(.*` + place("22") + `
thread 1: waiting at 0x8 of memory 0 \(wait32, no timeout\)
   0: app!lock \(.*` + place("9") + `   1: app!transfer \(.*` + place("16") + `   2: app!wasi_thread_start \(.*` + place("18") + `
thread 2: waiting at 0x4 of memory 0 \(wait32, no timeout\)
   0: app!lock \(.*` + place("9") + `   1: app!transfer \(.*` + place("16") + `   2: app!wasi_thread_start \(.*` + place("18") + `$`)
	var got string
	for range 1000 { // the threads may not have come so far yet
		if got = dump(); want.MatchString(got) {
			break
		}
	}
	if !want.MatchString(got) {
		t.Errorf("got:\n%s\nwant:\n%v", got, want)
	}
	// The guest goes on, and ends as without.
	if _, err := io.WriteString(stdin, "x"); err != nil {
		t.Fatal(err)
	}
	line(out)
	finish(t, cmd, messages)
}

// TestQuitInStart checks that a start function is shown, too, though no exported function has been called yet.
func TestQuitInStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "start.wat")
	if err := os.WriteFile(file, []byte(`(module (import "spectest" "print" (func $print))
		(func $init (call $print) (loop (br 0))) (start $init) (func (export "f")))`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(builtBinary, "run", "--invoke", "f", file)
	out, messages := start(t, cmd)
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	got := ""
	for !strings.Contains(got, "init (") {
		line, err := messages.ReadString('\n')
		if got += line; err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
	if !strings.Contains(got, "thread 0 (main): ") {
		t.Errorf("%q", got)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d", code)
	}
}
