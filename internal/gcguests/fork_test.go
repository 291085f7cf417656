package gcguests_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// TestForksOfLoads: a load that is forked at some moments of its run, with its heap, and children that are, too, all give the same result, and go on to be
// collected on their own.
func TestForksOfLoads(t *testing.T) {
	for _, plan := range spindle.GCPlans() {
		t.Run(plan, func(t *testing.T) {
			if plan == "pageprotect" {
				t.Skip("a system call for each object: minutes")
			}
			m := &moments{t: t, child: func(img *spindle.Image) (*spindle.Process, error) {
				child, err := img.Fork(t.Context(), spindle.ForkConfig{})
				return child, errors.Join(err, img.Close())
			}}
			for _, l := range gcguests.Loads() {
				module, err := l.Module()
				if err != nil {
					t.Fatal(err)
				}
				rt, mod := compiled(t, module)
				cfg := spindle.Config{StackSize: 64 << 20, Forkable: true, AtSafepoint: m.safepoint}
				cfg.GC.Plan, cfg.GC.Workers, cfg.GC.Sanity, cfg.GC.NurseryBytes = plan, 2, true, 8<<20
				inst, err := rt.Instantiate(t.Context(), mod, cfg)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range l.Calls {
					if c.Heavy || c.End != gcguests.Returns {
						continue
					}
					m.call(inst, c)
				}
			}
			if m.forks < 10 {
				t.Errorf("only %d forks", m.forks)
			}
		})
	}
}

// moments has the call that runs forked at safepoints that are counted, and its children, too.
type moments struct {
	t     *testing.T
	child func(*spindle.Image) (*spindle.Process, error) // closes the image

	mu    sync.Mutex
	rnd   *rand.Rand               // guarded by mu
	left  int                      // guarded by mu
	gap   map[*spindle.Process]int // guarded by mu; safepoints until the next fork
	ps    []*spindle.Process       // guarded by mu; the children that nobody has waited for
	forks int                      // guarded by mu
}

func (m *moments) begin(seed uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rnd, m.left, m.gap, m.ps = rand.New(rand.NewPCG(seed, 3)), 3, map[*spindle.Process]int{}, nil
}

// safepoint is Config.AtSafepoint.
func (m *moments) safepoint(p *spindle.Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left == 0 {
		return
	}
	gap, ok := m.gap[p]
	if !ok {
		gap = m.rnd.IntN(1 << m.rnd.IntN(14))
	}
	if m.gap[p] = gap - 1; gap > 0 {
		return
	}
	delete(m.gap, p)
	m.left--
	img, _, err := p.Freeze(m.t.Context(), spindle.FreezeOptions{Warmup: m.left == 1})
	if err != nil {
		m.t.Errorf("a freeze: %v", err)
		return
	}
	child, err := m.child(img)
	if err != nil {
		m.t.Errorf("a fork: %v", err)
		return
	}
	m.forks++
	m.ps = append(m.ps, child)
}

// call makes a call, and compares what it gives in all Processes.
func (m *moments) call(inst *spindle.Instance, c gcguests.Call) {
	t := m.t
	m.begin(uint64(len(c.String())))
	want := c.Want()
	if got, err := inst.Call(t.Context(), c.Func, argsOf(c)...); err != nil || int64(got[0]) != want {
		t.Errorf("%v: the forked original gives %v, %v; want %d", c, got, err, want)
	}
	m.join(c)
}

// join waits for the children of a call that has returned, and theirs, and compares what they give. None may be left when the next call begins: it would be taken for one of that.
func (m *moments) join(c gcguests.Call) {
	t, want := m.t, c.Want()
	for {
		m.mu.Lock()
		if len(m.ps) == 0 {
			m.mu.Unlock()
			return
		}
		p := m.ps[0]
		m.ps = m.ps[1:]
		m.mu.Unlock()
		if err := p.Wait(t.Context()); err != nil {
			t.Errorf("%v: a child ended with %v", c, err)
		} else if got := p.Results(); len(got) != 1 || int64(got[0]) != want {
			t.Errorf("%v: a child gives %v, want %d", c, got, want)
		}
		if err := errors.Join(p.CollectGarbage(), p.Close()); err != nil {
			t.Errorf("%v: a child that has ended: %v", c, err)
		}
	}
}
