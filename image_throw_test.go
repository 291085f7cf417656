package spindle_test

import (
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// TestThrownOnce freezes a guest at each safepoint of a loop that goes around by a host function's exceptions. The function is called once for each turn,
// by the original or by a child: a child goes on behind a call that has thrown.
func TestThrownOnce(t *testing.T) {
	const turns = 8
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	var mu sync.Mutex
	turn := map[*spindle.Process]uint32{} // guarded by mu; the last one of each Process
	type copied struct {
		img  *spindle.Image
		turn uint32
	}
	var copies []copied
	var original *spindle.Process
	cfg := spindle.Config{
		Imports: spindle.Imports{"host": spindle.HostModule{"turn": spindle.Proc1(func(c *spindle.Caller, n uint32) {
			mu.Lock()
			last, p := turn[c.Process()], c.Process()
			turn[p] = n
			mu.Unlock()
			if n != last+1 {
				t.Errorf("turn %d follows on %d", n, last)
			}
			tag, err := c.Instance().Tag("again")
			if err != nil {
				t.Error(err)
				return
			}
			c.Throw(tag, uint64(n))
		})}},
		AtSafepoint: func(p *spindle.Process) {
			mu.Lock()
			at, is := turn[p], p == original
			mu.Unlock()
			if !is {
				return
			}
			img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			copies = append(copies, copied{img, at})
		},
	}
	p, err := rt.NewProcess(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	inst, err := p.Instantiate(ctx, compileText(t, rt, `(module
		(import "host" "turn" (func $turn (param i32)))
		(tag $again (export "again") (param i32))
		(func (export "run") (param $turns i32) (result i32) (local $n i32)
			(block $over
				(loop $next
					(br_if $over (i32.ge_u (local.get $n) (local.get $turns)))
					(local.set $n (block $caught (result i32)
						(try_table (catch $again $caught) (call $turn (i32.add (local.get $n) (i32.const 1))))
						(unreachable)))
					(br $next)))
			(local.get $n)))`), "")
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	original = p
	mu.Unlock()
	if res, err := inst.Call(ctx, "run", turns); err != nil || res[0] != turns {
		t.Fatalf("%v, %v", res, err)
	}
	if len(copies) < 2*turns {
		t.Errorf("only %d copies of %d turns", len(copies), turns)
	}
	for _, c := range copies {
		child, err := c.img.Fork(ctx, spindle.ForkConfig{Before: func(child *spindle.Process) error {
			mu.Lock()
			defer mu.Unlock()
			turn[child] = c.turn
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(ctx); err != nil {
			t.Error(err)
		} else if res := child.Results(); len(res) != 1 || res[0] != turns {
			t.Errorf("a child of turn %d has %v", c.turn, res)
		}
		if err := child.Close(); err != nil {
			t.Error(err)
		}
		if err := c.img.Close(); err != nil {
			t.Error(err)
		}
	}
}
