package mockvm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// run makes a goroutine of each program, in a VM where nobody runs, and returns when they are through.
func run(t *testing.T, steps int, ps ...*Program) {
	t.Helper()
	var wg sync.WaitGroup
	for _, p := range ps {
		wg.Go(func() {
			p.t.vm.Enter()
			defer p.t.vm.Leave()
			if err := p.Run(steps); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// closeVM ends the threads of a VM in which nobody runs, and the VM.
func closeVM(t *testing.T, v *VM) {
	t.Helper()
	for th := range v.threads {
		v.Enter()
		th.Exit()
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// newForkable makes a VM with programs on threads that stand.
func newForkable(t *testing.T, name string, opts plan.Options, programs int) (*VM, []*Program) {
	t.Helper()
	opts.Forkable = true
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 48 << 20
		if name == "pageprotect" {
			opts.MaxBytes = 400 << 20
		}
	}
	v, err := New(gc.Config{Plan: name, New: tutorials[name], Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	types, err := Types(v.Heap.Mem.Types)
	if err != nil {
		t.Fatal(err)
	}
	var ps []*Program
	for k := range programs {
		th := v.NewThread()
		v.Leave()
		p := NewProgram(th, types, uint64(k), 100)
		p.Unsettled, p.Semantics = true, k%2 == 1 // Warmup keeps what is dead
		ps = append(ps, p)
	}
	return v, ps
}

// freeze freezes a VM in which nobody runs together with its programs.
func freeze(t *testing.T, v *VM, ps []*Program) (*Image, []*Program) {
	t.Helper()
	img, err := v.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	var clones []*Program
	for _, p := range ps {
		clones = append(clones, p.Clone())
	}
	return img, clones
}

// fork makes a VM of an image, and the programs that go on in it.
func fork(t *testing.T, img *Image, ps, clones []*Program, options func(*plan.Options)) (*VM, []*Program) {
	t.Helper()
	v, threads, err := img.Fork(nil, options)
	if err != nil {
		t.Fatal(err)
	}
	var forked []*Program
	for i, p := range ps {
		forked = append(forked, clones[i].On(threads[p.t]))
	}
	return v, forked
}

func resume(t *testing.T, img *Image) {
	t.Helper()
	if err := img.Resume(); err != nil {
		t.Fatal(err)
	}
}

// collect runs a collection of the whole heap while nobody runs.
func collect(t *testing.T, v *VM) {
	t.Helper()
	for th := range v.threads {
		v.Enter()
		err := v.Heap.Collect(th.Mutator, true)
		v.Leave()
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

// Forks at random, of random VMs of a family, warmed up or not, some children made before the parent goes on and some after: a child has what its parent had, object by object, and goes
// on like a program that has never been forked; nobody sees what another one does.
func TestForkFuzz(t *testing.T) {
	for _, name := range allPlans() {
		t.Run(name, func(t *testing.T) { forkFuzz(t, name, 7) })
	}
}

func forkFuzz(t *testing.T, name string, seed uint64) {
	type member struct {
		v     *VM
		ps    []*Program
		steps int
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	v, ps := newForkable(t, name, plan.Options{NurseryBytes: 512 << 10, Workers: 2, Sanity: true, Poison: true}, 2)
	family := []*member{{v, ps, 0}}
	go1 := func(m *member, n int) {
		run(t, n, m.ps...)
		m.steps += n
	}
	rounds, perRound := 25, 1500
	if testing.Short() {
		rounds, perRound = 10, 500
	}
	if name == "pageprotect" || name == "nogc" {
		perRound /= 5
	}
	for range rounds {
		m := family[rng.IntN(len(family))]
		go1(m, rng.IntN(perRound))
		if rng.IntN(8) == 0 {
			if err := m.v.Heap.Warmup(); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(3) == 0 && name != "nogc" {
			collect(t, m.v)
		}
		img, clones := freeze(t, m.v, m.ps)
		steps, early := m.steps, rng.IntN(3)
		for k := range 1 + rng.IntN(3) {
			if k == early {
				resume(t, img)
				go1(m, rng.IntN(perRound))
			}
			child, forked := fork(t, img, m.ps, clones, nil)
			for i, p := range forked {
				if k >= early {
					break // the parent is not any more what it was
				}
				if err := SameHeap(p.t, m.ps[i].t); err != nil {
					t.Fatal(err)
				}
			}
			family = append(family, &member{child, forked, steps})
		}
		if err := img.Resume(); err != nil && !errors.Is(err, gc.ErrNotForking) {
			t.Fatal(err)
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
		go1(family[len(family)-1], rng.IntN(perRound))
		for len(family) > 5 {
			k := rng.IntN(len(family))
			verify(t, name, family[k].ps, family[k].steps)
			closeVM(t, family[k].v)
			family = append(family[:k], family[k+1:]...)
		}
		if t.Failed() {
			return
		}
	}
	for _, m := range family {
		if name != "nogc" {
			collect(t, m.v)
		}
		verify(t, name, m.ps, m.steps)
		closeVM(t, m.v)
	}
}

// verify compares programs with the heap, and with ones of the same seeds that have run as many steps without a fork.
func verify(t *testing.T, name string, ps []*Program, steps int) {
	t.Helper()
	v, twins := newForkable(t, "immix", plan.Options{MaxBytes: 200 << 20, Workers: 1}, len(ps))
	defer closeVM(t, v)
	run(t, steps, twins...)
	for i, p := range ps {
		if err := p.Verify(); err != nil {
			t.Errorf("%s, program %d after %d steps: %v", name, i, steps, err)
		}
		if err := SameModel(p, twins[i]); err != nil {
			t.Errorf("%s, program %d after %d steps: not what an unforked one is: %v", name, i, steps, err)
		}
	}
}

// A collection runs in every generation of a hundred, with one worker and eight.
func TestForkHundredGenerations(t *testing.T) {
	for _, name := range allPlans() {
		for _, workers := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s/%d", name, workers), func(t *testing.T) {
				before := leftovers(t)
				v, ps := newForkable(t, name, plan.Options{NurseryBytes: 256 << 10, Workers: workers}, 2)
				steps := 150
				if name == "pageprotect" {
					steps = 50
				}
				run(t, steps, ps...)
				total := steps
				for gen := range 100 {
					if gen == 3 {
						if err := v.Heap.Warmup(); err != nil {
							t.Fatal(err)
						}
					}
					img, clones := freeze(t, v, ps)
					child, forked := fork(t, img, ps, clones, nil)
					if err := img.Close(); err != nil {
						t.Fatal(err)
					}
					resume(t, img)
					closeVM(t, v)
					v, ps = child, forked
					n := v.Heap.Sched.Collections()
					run(t, steps, ps...)
					total += steps
					if name == "nogc" {
						continue
					}
					collect(t, v)
					if v.Heap.Sched.Collections() <= n {
						t.Fatalf("no collection in generation %d", gen)
					}
					if gen%20 == 0 {
						for _, p := range ps {
							if err := p.Verify(); err != nil {
								t.Fatalf("generation %d: %v", gen, err)
							}
						}
					}
				}
				verify(t, name, ps, total)
				closeVM(t, v)
				before.check(t)
			})
		}
	}
}

// leftover is what a program must not leave behind.
type leftover struct {
	goroutines, files, mappings int
	all                         int // mappings, of which Go has some that come and go
}

func leftovers(t *testing.T) (l leftover) {
	t.Helper()
	l.goroutines = runtime.NumGoroutine()
	if runtime.GOOS != "linux" {
		return l
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return l
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "memfd:") {
			l.files++
		}
	}
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		l.mappings = strings.Count(string(maps), "memfd:")
		l.all = strings.Count(string(maps), "\n")
	}
	return l
}

func (l leftover) check(t *testing.T) {
	t.Helper()
	for range 100_000 { // goroutines whose work is done still have to end
		if runtime.NumGoroutine() <= l.goroutines {
			break
		}
		runtime.Gosched()
	}
	now := leftovers(t)
	if now.goroutines > l.goroutines || now.files != l.files || now.mappings != l.mappings || now.all > l.all+100 {
		t.Errorf("left behind: %+v, there were %+v", now, l)
	}
}

// Heaps by the thousand are made, used, collected, forked and closed, and leave nothing behind: no goroutine, no mapping, no file.
func TestThousandHeaps(t *testing.T) {
	before := leftovers(t)
	names := allPlans()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 250 {
				name := names[(g*250+i)%len(names)]
				v, ps := newForkable(t, name, plan.Options{MaxBytes: 16 << 20, NurseryBytes: 128 << 10, Workers: 1 + i%3}, 1)
				run(t, 30, ps...)
				if name != "nogc" {
					collect(t, v)
				}
				if i%3 == 0 {
					if err := v.Heap.Warmup(); err != nil {
						t.Error(err)
					}
				}
				img, clones := freeze(t, v, ps)
				child, forked := fork(t, img, ps, clones, nil)
				resume(t, img)
				if err := img.Close(); err != nil {
					t.Error(err)
				}
				run(t, 30, forked...)
				if name != "nogc" {
					collect(t, child)
				}
				if err := errors.Join(forked[0].Verify(), ps[0].Verify()); err != nil {
					t.Error(err)
				}
				closeVM(t, v)
				closeVM(t, child)
			}
		})
	}
	wg.Wait()
	before.check(t)
}
