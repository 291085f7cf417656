package mockvm

import (
	"errors"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// churn allocates that many objects, of which the last ones live.
func churn(t *testing.T, th *Thread, typ gc.TypeID, live, n int) {
	t.Helper()
	th.Stack = append(th.Stack[:0], make([]uint32, live)...)
	for i := range n {
		r, err := th.Alloc(typ, 120) // 128 bytes
		if err != nil {
			t.Fatal(err)
		}
		th.Stack[i%live] = r
	}
}

// A heap that may grow and shrink has a limit between its bounds and above what lives; when less lives, it is lower, and memory goes back to the system.
func TestLimitFollowsWhatLives(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			const min = 1 << 20
			objects := 8 << 20 / 128
			if name == "pageprotect" {
				objects /= 16
			}
			most := heapBytes(name, 64<<20)
			var limits []int64
			now := time.Now() // mutators and collections take a time between two looks at the clock, however busy the machine is
			clock := func() time.Time {
				now = now.Add(time.Millisecond)
				return now
			}
			v, types := newVM(t, name, plan.Options{MaxBytes: most, MinBytes: min, Balance: 4 << 20, NurseryBytes: 1 << 20, Workers: 2, Now: clock, Stats: func(c gc.Collection) {
				if c.Limit < min || c.Limit > most || c.Limit < c.After<<heap.LogBlock {
					t.Errorf("the limit is %d with %d blocks in use", c.Limit, c.After)
				}
				limits = append(limits, c.Limit)
			}})
			th := v.NewThread()
			defer th.Exit()
			last := func() int64 {
				if err := v.Heap.Collect(th.Mutator, true); err != nil {
					t.Fatal(err)
				}
				return limits[len(limits)-1]
			}
			if got := v.Heap.Budget.Blocks() << heap.LogBlock; got > most/2 {
				t.Errorf("the heap begins with a limit of %d bytes", got)
			}
			churn(t, th, types[typeBytes], objects/10, objects)
			few := last()
			churn(t, th, types[typeBytes], objects, 3*objects)
			many, held := last(), v.Heap.Mem.Held()
			// Rates change slowly; what lives decides.
			churn(t, th, types[typeBytes], objects/10, 3*objects)
			again := last()
			if few >= many || again >= many {
				t.Errorf("limits of %d, %d, %d bytes while a tenth, all, a tenth of the objects lived", few, many, again)
			}
			if got := v.Heap.Mem.Held(); got > held/2 || got<<heap.LogBlock > again {
				t.Errorf("%d blocks are held, %d were; the limit is %d bytes", got, held, again)
			}
		})
	}
}

// MaxBytes is the most that a heap ever has, whether it begins with that or grows, and nearly all of it can be used by a plan that does not copy.
func TestMaxBytes(t *testing.T) {
	for _, name := range allPlans() {
		for _, min := range []int64{0, 1 << 20} {
			const most = 9<<20 + 12345
			peak := int64(0)
			v, types := newVM(t, name, plan.Options{MaxBytes: most, MinBytes: min, Workers: 2})
			th := v.NewThread()
			defer th.Exit()
			th.Stack = []uint32{0}
			bytes := int64(0)
			for {
				r, err := th.Alloc(types[typeRefs], 30)
				if errors.Is(err, gc.ErrOutOfMemory) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				th.Write(r, 8, th.Stack[0])
				th.Stack[0] = r
				bytes += 128
				peak = max(peak, v.Heap.Mem.InUse()<<heap.LogBlock)
			}
			if peak > most {
				t.Errorf("%s: %d bytes were in use, of %d", name, peak, most)
			}
			share := 0.95
			switch name {
			case "semispace", "genimmix", "tutorial-semispace", "tutorial-gencopy":
				share = 0.4 // there is room for copies
			case "pageprotect":
				share = 0.025
			}
			if float64(bytes) < share*most {
				t.Errorf("%s, at least %d: only %d bytes of objects were made of %d", name, min, bytes, most)
			}
		}
	}
}
