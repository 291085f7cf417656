package vm

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// However many stores hold shared memories, let them go, and grow them at the same time: a budget is never exceeded, and in the end has been paid back.
func TestBudgetUnderContention(t *testing.T) {
	pools := NewPools()
	t.Cleanup(pools.Close)
	budgets := []*Budget{NewBudget(40 * wasm.PageSize), NewBudget(25*wasm.PageSize + 1), nil}
	memories := make([]*Memory, 3)
	for i := range memories {
		m, err := NewMemory(pools, wasm.MemoryType{Limits: wasm.Limits{Min: 2, Max: 100, HasMax: true}, Shared: true}, MemoryLimits{})
		if err != nil {
			t.Fatal(err)
		}
		memories[i] = m
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			b := budgets[g%len(budgets)]
			for range 200 {
				th, err := NewThread(&idleEngine{}, pools, ThreadConfig{StackSize: 1})
				if err != nil {
					t.Error(err)
					return
				}
				s := th.Store
				s.SetBudget(b)
				for range 4 {
					m := memories[r.IntN(len(memories))]
					var limit *LimitError
					if err := s.hold(m); err != nil && (!errors.As(err, &limit) || limit.Got <= limit.Max) {
						t.Errorf("hold: %v", err)
					}
					if b != nil && b.Used() > b.max {
						t.Errorf("%d pages used of %d", b.Used(), b.max)
					}
				}
				if r.IntN(8) == 0 {
					memories[r.IntN(len(memories))].Grow(1)
				}
				if _, err := s.AddMemory(wasm.MemoryType{Limits: wasm.Limits{Min: 1}}, MemoryLimits{}); err != nil && b == nil {
					t.Error(err)
				}
				th.Shutdown(nil)
			}
		})
	}
	wg.Wait()
	for i, b := range budgets[:2] {
		if b.Used() != 0 {
			t.Errorf("budget %d: %d pages are not paid back", i, b.Used())
		}
	}
	for _, m := range memories {
		if len(m.payers) != 0 || m.refs != 1 {
			t.Errorf("%d payers, %d uses", len(m.payers), m.refs)
		}
		m.Close()
	}
	if n := pools.Live(); n != 0 {
		t.Errorf("%d regions in use", n)
	}
}
