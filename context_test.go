package spindle_test

import (
	"context"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// TestContextOutlivesCall derives a context from a host function's and looks at it after the call: it ends with the Process, and
// still has the values of the call's context.
func TestContextOutlivesCall(t *testing.T) {
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(t.Context(), []byte(`(module (import "env" "f" (func $f)) (func (export "call") (call $f)))`))
	if err != nil {
		t.Fatal(err)
	}
	var kept context.Context
	host := spindle.HostModule{"f": spindle.Proc0(func(c *spindle.Caller) {
		ctx, cancel := context.WithTimeout(c.Context(), time.Hour)
		t.Cleanup(cancel)
		kept = ctx
	})}
	inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{Imports: spindle.Imports{"env": host}})
	if err != nil {
		t.Fatal(err)
	}
	type key struct{}
	if _, err := inst.Call(context.WithValue(t.Context(), key{}, 7), "call"); err != nil {
		t.Fatal(err)
	}
	if got := kept.Value(key{}); got != 7 {
		t.Errorf("the value is %v after the call, want 7", got)
	}
	if err := inst.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-kept.Done():
	case <-time.After(10 * time.Second):
		t.Error("a context derived from a closed Process's is not done")
	}
}
