package interp_test

import (
	"context"

	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// A guest that calls while it is paused and resumed all the time meets a raised stack limit again and again, with the flag
// taken back before it looks. That is not an exhausted stack.
func TestPausesAreNotExhaustion(t *testing.T) {
	rt := spindle.NewRuntime()
	defer rt.Close()
	ctx := context.Background()
	mod, err := rt.CompileText(ctx, []byte(`(module
		(func $leaf (param i32) (result i32) (local.get 0))
		(func (export "run") (param i32) (result i32) (local i32)
			(loop $l
				(local.set 1 (i32.add (local.get 1) (call $leaf (call $leaf (call $leaf (call $leaf (i32.const 1)))))))
				(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
			(local.get 1)))`))
	if err != nil {
		t.Fatal(err)
	}
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 6 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if inst.Process().Pause(ctx) == nil {
					inst.Process().Resume()
				}

			}
		})
	}
	const n = 20_000
	for range 150 {
		res, err := inst.Call(ctx, "run", n)
		if err != nil {
			t.Error(err)
			break
		}
		if res[0] != n {
			t.Errorf("the guest counted to %d", res[0])
		}
	}
	close(done)
	wg.Wait()
}
