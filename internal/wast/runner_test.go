package wast

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/wat"
)

// TestScripts runs our own scripts. A command whose first line ends with ";; fails: words" must fail with an error that has these
// words; all others must pass. That the runner fails what it should is what the official suites cannot show.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.wast")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, err := wat.ParseScript(src)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(src), "\n")
			var got []Result
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			passed, failed := Run(ctx, script, Config{Report: func(r Result) { got = append(got, r) }})
			wantFailed := strings.Count(string(src), ";; fails: ")
			if failed != wantFailed || passed+failed != len(got) {
				t.Errorf("%d passed, %d failed, %d reports; want %d failures", passed, failed, len(got), wantFailed)
			}
			for _, r := range got {
				_, words, fails := strings.Cut(lines[r.Pos.Line-1], ";; fails: ")
				switch {
				case fails && r.Err == nil:
					t.Errorf("%v: passes, want an error with %q", r.Pos, words)
				case fails && !strings.Contains(r.Err.Error(), words):
					t.Errorf("%v: %v; want an error with %q", r.Pos, r.Err, words)
				case !fails && r.Err != nil:
					t.Errorf("%v: %v", r.Pos, r.Err)
				}
			}
		})
	}
}

// TestSpectestOutput checks what the functions of spectest print.
func TestSpectestOutput(t *testing.T) {
	script, err := wat.ParseScript([]byte(`
		(module
			(import "spectest" "print" (func $p))
			(import "spectest" "print_i32" (func $i (param i32)))
			(import "spectest" "print_i32_f32" (func $if (param i32 f32)))
			(import "spectest" "print_f64_f64" (func $ff (param f64 f64)))
			(func (export "run")
				(call $p)
				(call $i (i32.const -1))
				(call $if (i32.const 2) (f32.const 0.1))
				(call $ff (f64.const -nan:0x123) (f64.const -inf))))
		(invoke "run")`))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, failed := Run(context.Background(), script, Config{Out: &out, Report: func(r Result) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}})
	const want = "\n-1 : i32\n2 : i32, 0.1 : f32\n-nan:0x123 : f64, -inf : f64\n"
	if failed != 0 || out.String() != want {
		t.Errorf("%d failed, output %q, want %q", failed, out.String(), want)
	}
}

// TestCancel checks that a context ends a script that would never end, threads included.
func TestCancel(t *testing.T) {
	script, err := wat.ParseScript([]byte(`
		(module $M (memory (export "m") 1 1 shared))
		(thread $T (shared (module $M))
			(register "M" $M)
			(module (import "spectest" "print" (func $there)) (memory (import "M" "m") 1 1 shared)
				(func (export "wait") (call $there) (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
			(invoke "wait"))
		(module (import "spectest" "print" (func $there)) (func (export "spin") (call $there) (loop (br 0))))
		(invoke "spin")
		(wait $T)`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lines := 0
	out := writerFunc(func(b []byte) (int, error) {
		if lines += bytes.Count(b, []byte("\n")); lines == 2 { // both are there
			cancel()
		}
		return len(b), nil
	})
	if _, failed := Run(ctx, script, Config{Out: out}); failed != 2 {
		t.Errorf("%d commands failed, want the two invocations", failed)
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
