package interp

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// endless are functions that never return, one for each way to go round: each must come by a safepoint.
var endless = map[string]string{
	"loop":                "(loop $l (br $l))",
	"conditional":         "(local i32) (loop $l (br_if $l (i32.eqz (local.get 0))))",
	"counting":            "(local i32) (loop $l (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 0))) (i32.const 5))))",
	"constants":           "(local i32) (loop $l (local.set 0 (i32.const 3)) (br $l))",
	"moves":               "(local i32 i32) (loop $l (local.set 0 (local.get 1)) (br $l))",
	"table":               "(loop $l (br_table $l $l $l (i32.const 7)))",
	"table with operands": "(i32.const 1) (loop $l (param i32) (result i32) (drop) (i32.const 4) (br_table $l $l (i32.const 1))) (drop)",
	"on null":             "(loop $l (br_on_null $l (ref.null func)) (drop))",
	"on non-null":         "(loop $l (br_if $l (i32.const 1)))",
	"tail calls":          "(return_call $self)",
	"indirect tail calls": "(return_call_indirect (i32.const 0))",
	"tail calls by ref":   "(return_call_ref $t (ref.func $self))",
	"tail calls away":     "(return_call_indirect (i32.const 1))",
	"exceptions":          "(loop $l (try_table (catch_all $l) (throw $e)))",
	"rethrown exceptions": "(local exnref) (loop $l (block $h (result exnref) (try_table (catch_all_ref $h) (throw $e)) (unreachable)) (local.set 0) (br $l))",
	"calls in a row":      "(loop $l (call $leaf) (call $leaf) (br $l))",
	"memory":              "(loop $l (br_if $l (i32.eqz (i32.load (i32.const 0)))))",
	"bytes":               "(local i32) (loop $l (br_if $l (i32.eqz (local.tee 0 (i32.load8_u (i32.const 0))))))",
	"recursion":           "(loop $l (call $deep (i32.const 20)) (br $l))",
}

func TestStopEndlessGuests(t *testing.T) {
	for name, body := range endless {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			w.instance("other", `(module (table (export "t") 4 funcref) (func $f (return_call_indirect (i32.const 0))) (elem (i32.const 1) $f))`)
			m := w.instance("m", `(module (type $t (func)) (import "other" "t" (table 4 funcref)) (memory 1) (tag $e)
				(func $self (export "f") (type $t) `+body+`)
				(func $leaf) (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
				(elem (i32.const 0) $self))`)
			cause := errors.New("enough")
			done := make(chan struct{})
			var stopped time.Time
			go func() {
				defer close(done)
				ctx := context.Background()
				for range 3 { // it can be paused first
					if err := w.thread.Pause(ctx); err != nil {
						t.Error(err)
					}
					if s := w.thread.State(); s == vm.StateRunning {
						t.Errorf("a paused thread is %v", s)
					}
					w.engine.Frames(w.thread, func(f vm.Frame) bool {
						if f.Func >= uint32(len(f.Instance.Module.Funcs)) || f.Offset == 0 {
							t.Errorf("frame %+v of a paused thread", f)
						}
						return true
					})
					w.engine.StackRefs(w.thread, func(slot *uint64, _ wasm.ValType) {
						if *slot > 1<<20 { // a few functions, some thousand exceptions
							t.Errorf("reference %#x on the stack of a paused thread", *slot)
						}
					})
					w.thread.Resume()
				}
				stopped = time.Now()
				w.thread.Stop(cause)
			}()
			_, err := w.call(m, "f")
			<-done
			var trap *vm.TrapError
			if !errors.As(err, &trap) || trap.Code != vm.TrapInterrupted || !errors.Is(err, cause) {
				t.Fatalf("error %v, want an interruption", err)
			}
			if d := time.Since(stopped); d > time.Second {
				t.Errorf("it took %v to stop", d)
			}
		})
	}
}

// TestGoCollectsDuringGuests: Go's collector stops a guest's loop like any Go loop, and frees nothing that only guest code refers to.
func TestGoCollectsDuringGuests(t *testing.T) {
	w := newWorld(t, 0)
	w.host("collect", i32, i32, func(_ *vm.Thread, s []uint64) error {
		runtime.GC()
		s[0]++
		return nil
	})
	m := w.instance("m", `(module (import "host" "collect" (func $c (param i32) (result i32))) (memory 1)
		(func $r (export "r") (param i32 i32) (result i32)
			(if (i32.eqz (local.get 0)) (then (return (call $c (local.get 1)))))
			(i32.add (call $r (i32.sub (local.get 0) (i32.const 1)) (call $c (local.get 1))) (i32.const 1)))
		(func (export "endless") (loop $l (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (br $l))))`)
	w.want(m, 30+31, "r", 30, 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5 {
			runtime.GC()
		}
		w.thread.Stop(errors.New("enough"))
	}()
	w.wantTrap(m, vm.TrapInterrupted, "endless")
	<-done
}
