package spindle_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// A guest's hook is called in a child in another OS process, too; one that refuses is the fork's error, and nothing else of the child has run.
func TestForkHookInAnotherProcess(t *testing.T) {
	ctx := t.Context()
	l, w := listenTo(t)
	rt := leakFree(t)
	const guest = `(module
		(import "wire" "tell" (func $tell (param i64)))
		(import "wire" "wait" (func $wait))
		(memory 1)
		(func (export "spindle_fork_child") (param i64 i32) (result i32)
			(call $tell (i64.add (i64.mul (local.get 0) (i64.const 10)) (i64.extend_i32_u (local.get 1))))
			(i64.store (i32.const 0) (i64.const 77))
			(i32.const %RESULT))
		(func (export "_start") (call $tell (i64.const 1)) (call $wait) (call $tell (i64.load (i32.const 0)))))`
	img := frozenGuest(t, l, w, rt, strings.Replace(guest, "%RESULT", "0", 1), spindle.Config{}, spindle.FreezeOptions{})
	for range 2 {
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if n, m := l.next(t), l.next(t); n != 11 || m != 77 {
			t.Errorf("the child tells %d and %d", n, m)
		}
		if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
			t.Error(err)
		}
	}
	refuses := frozenGuest(t, l, w, rt, strings.Replace(guest, "%RESULT", "9", 1), spindle.Config{}, spindle.FreezeOptions{})
	_, err := refuses.ForkProcess(ctx, spindle.ProcessForkConfig{})
	var fe *spindle.ForkError
	if !errors.As(err, &fe) || fe.Hook != spindle.HookChild || !strings.Contains(err.Error(), "it returned 9") {
		t.Errorf("the error is %v", err)
	}
	if n := l.next(t); n != 11 {
		t.Errorf("the child tells %d", n)
	}
	// What the next one tells comes after what that child has told, and it has told nothing.
	c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if n, m := l.next(t), l.next(t); n != 11 || m != 77 {
		t.Errorf("a child tells %d and %d", n, m)
	}
	if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
		t.Error(err)
	}
}
