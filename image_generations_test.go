package spindle_test

import (
	"testing"

	"github.com/spindle-wasm/spindle"
)

// A hundred generations of a Process with a heap, each forked from the one before, under every plan. All stay alive: each has the list that its line
// made and nothing of its descendants', before and after a collection of its own.
func TestHundredGenerationsOfHeaps(t *testing.T) {
	const generations, garbage = 100, 2000
	for _, plan := range spindle.GCPlans() {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			rt := spindle.NewRuntime()
			defer rt.Close()
			heap := int64(4 << 20)
			if plan == "nogc" {
				heap = generations * garbage * 64
			}
			inst, err := rt.Instantiate(ctx, compileText(t, rt, `(module
				(type $node (struct (field $x i32) (field $next (ref null $node))))
				(global $head (mut (ref null $node)) (ref.null $node))
				(func (export "step") (param $x i32) (param $garbage i32)
					(loop $again
						(drop (struct.new $node (local.get $garbage) (global.get $head)))
						(br_if $again (local.tee $garbage (i32.sub (local.get $garbage) (i32.const 1)))))
					(global.set $head (struct.new $node (local.get $x) (global.get $head))))
				(func (export "sum") (result i32) (local $sum i32) (local $n (ref null $node))
					(local.set $n (global.get $head))
					(block $end
						(loop $next
							(br_if $end (ref.is_null (local.get $n)))
							(local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 3)) (struct.get $node $x (local.get $n))))
							(local.set $n (struct.get $node $next (local.get $n)))
							(br $next)))
					(local.get $sum)))`), spindle.Config{Name: "line", Forkable: true, GC: spindle.GCConfig{Plan: plan, HeapBytes: heap}})
			if err != nil {
				t.Fatal(err)
			}
			step := func(p *spindle.Process, x uint64) {
				if _, err := p.Instance("line").Call(ctx, "step", x, garbage); err != nil {
					t.Fatalf("step %d: %v", x, err)
				}
			}
			sum := func(p *spindle.Process) uint32 {
				res, err := p.Instance("line").Call(ctx, "sum")
				if err != nil {
					t.Fatal(err)
				}
				return uint32(res[0])
			}
			line := []*spindle.Process{inst.Process()}
			want := []uint32{0}
			for g := range generations {
				step(line[g], uint64(g+1))
				// The newest node comes first: its factor is 3 to the power of those behind it.
				power := uint32(1)
				for range g {
					power *= 3
				}
				want[g] += power * uint32(g+1)
				c, _, err := line[g].Fork(ctx, spindle.FreezeOptions{Warmup: g%25 == 0}, spindle.ForkConfig{})
				if err != nil {
					t.Fatalf("generation %d: %v", g+1, err)
				}
				line, want = append(line, c), append(want, want[g])
			}
			for range 2 {
				for g, p := range line {
					if got := sum(p); got != want[g] {
						t.Fatalf("generation %d has %d, want %d", g, got, want[g])
					}
				}
				if plan == "nogc" {
					break
				}
				for g, p := range line {
					if err := p.CollectGarbage(); err != nil {
						t.Fatalf("generation %d: %v", g, err)
					}
				}
			}
			for _, p := range line {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
			if n := rt.LiveRegions(); n != 0 {
				t.Errorf("%d regions left", n)
			}
		})
	}
}
