package spindle_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spindle-wasm/spindle"
)

// held is what this process of the system has: goroutines, mappings, and files in memory.
type held struct{ goroutines, mappings, files int }

func holds(t testing.TB) held {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	files := 0
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "memfd:spindle") {
			files++
		}
	}
	return held{runtime.NumGoroutine(), bytes.Count(maps, []byte("\n")), files}
}

// manyImage freezes a guest that numbers its children by what next gives them, notes the number in its memory, and waits in park.
func manyImage(t testing.TB, rt *spindle.Runtime, next func() int32, park func(c *spindle.Caller)) *spindle.Image {
	t.Helper()
	mod := compileText(t, rt, `(module
		(import "host" "freeze" (func $freeze))
		(import "host" "next" (func $next (result i32)))
		(import "host" "park" (func $park))
		(memory (export "memory") 1024)
		(func (export "_start") (local $i i32) (local $n i32)
			(loop $l
				(i32.store (local.get $i) (i32.const 7))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.const 0x4000000))))
			(call $freeze)
			(local.set $n (call $next))
			(i32.store (i32.const 0x123000) (local.get $n))
			(call $park)
			(if (i32.ne (i32.load (i32.const 0x123000)) (local.get $n)) (then (unreachable)))
			(if (i32.ne (i32.load (i32.const 0x3fff000)) (i32.const 7)) (then (unreachable)))))`)
	ctx := t.Context()
	var img *spindle.Image
	p, err := rt.Start(ctx, mod, spindle.Config{Name: "many", Forkable: true, Imports: spindle.Imports{"host": spindle.HostModule{
		"freeze": spindle.Proc0(func(c *spindle.Caller) {
			var err error
			if img, _, err = c.Freeze(ctx, spindle.FreezeOptions{}, spindle.Answer{}); err != nil {
				c.Fail(err)
			}
		}),
		"next": spindle.Func0(func(c *spindle.Caller) int32 {
			if c.Process().Generation() == 0 {
				return 0
			}
			return next()
		}),
		"park": spindle.Proc0(func(c *spindle.Caller) {
			if c.Process().Generation() > 0 {
				park(c)
			}
		}),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Wait(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	return img
}

// parking has children wait in a host function until gate is closed.
func parking(gate chan struct{}, parked *atomic.Int64) func(c *spindle.Caller) {
	return func(c *spindle.Caller) {
		parked.Add(1)
		if err := c.Block(func() {
			select {
			case <-gate:
			case <-c.Stopped():
			}
		}); err != nil {
			c.Fail(err)
		}
	}
}

// Ten thousand children of a guest of 64 MiB are alive at once, each with its own page; then all end, and nothing is left of them.
func TestTenThousandChildren(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const many = 10_000
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	gate := make(chan struct{})
	var count atomic.Int32
	var parked atomic.Int64
	img := manyImage(t, rt, func() int32 { return count.Add(1) }, parking(gate, &parked))
	once, err := img.Fork(ctx, spindle.ForkConfig{}) // what the first one makes for all
	if err != nil {
		t.Fatal(err)
	}
	before := holds(t)
	children := []*spindle.Process{once}
	for len(children) < many {
		c, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			t.Fatalf("child %d: %v", len(children), err)
		}
		children = append(children, c)
	}
	for parked.Load() < many {
		runtime.Gosched()
	}
	now := holds(t)
	if n := now.mappings - before.mappings; n > 4*many {
		t.Errorf("%d children have %d mappings", many, n)
	}
	if n := now.files - before.files; n > 0 {
		t.Errorf("%d children have %d files", many, n)
	}
	seen := make([]bool, many+1)
	for _, c := range children {
		m, err := c.Instance("many").Memory("memory")
		if err != nil {
			t.Fatal(err)
		}
		n, ok := m.Uint32(0x123000)
		if !ok || n < 1 || n > many || seen[n] {
			t.Fatalf("a child has number %d (%v)", n, ok)
		}
		seen[n] = true
	}
	close(gate)
	for _, c := range children {
		if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	settled(t, before.goroutines)
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	after := holds(t)
	if after.files >= before.files { // the image's is gone as well
		t.Errorf("%d files are open, before the fork %d were", after.files, before.files)
	}
	if n := after.mappings - before.mappings; n > 50 { // Go's
		t.Errorf("%d more mappings than before", n)
	}
}

// A hundred generations, each forked from the one before when that has written some pages, and all alive: each has what its line wrote and nothing else, and the
// mappings and files that they take do not grow with the depth.
func TestHundredGenerations(t *testing.T) {
	const generations, mib, writes = 100, 4, 10
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compileText(t, rt, `(module (memory (export "m") 64)
		(func (export "put") (param $at i32) (param $x i32) (i32.store (local.get $at) (local.get $x)))
		(func (export "fill") (local $i i32)
			(loop $l
				(i32.store (local.get $i) (i32.const 1))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.const 0x400000))))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Name: "line", Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inst.Call(ctx, "fill"); err != nil {
		t.Fatal(err)
	}
	before := holds(t)
	line := []*spindle.Process{inst.Process()}
	rng := rand.New(rand.NewPCG(100, 1))
	type write struct{ at, x uint32 }
	var wrote [][]write // by generation, before its child
	layers := 0
	for g := range generations {
		p := line[g]
		var own []write
		for k := range writes {
			w := write{rng.Uint32N(mib<<20/4096) * 4096, uint32(1000*(g+1) + k)}
			own = append(own, w)
			if _, err := p.Instance("line").Call(ctx, "put", uint64(w.at), uint64(w.x)); err != nil {
				t.Fatal(err)
			}
		}
		wrote = append(wrote, own)
		c, stats, err := p.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
		if err != nil {
			t.Fatalf("generation %d: %v", g+1, err)
		}
		if stats.Layer != (stats.Copied > 0) || stats.Copied > mib<<20/2 {
			t.Errorf("generation %d: %d bytes beside the file, a layer: %v", g+1, stats.Copied, stats.Layer)
		}
		if stats.Layer {
			layers++
		}
		if c.Generation() != uint64(g+1) {
			t.Errorf("generation %d says it is %d", g+1, c.Generation())
		}
		line = append(line, c)
	}
	now := holds(t)
	if n := now.mappings - before.mappings; n > 4*generations+20 {
		t.Errorf("%d generations have %d mappings", generations, n)
	}
	if n := now.files - before.files; n > generations {
		t.Errorf("%d generations have %d files", generations, n)
	}
	if layers == 0 || layers == generations {
		t.Errorf("%d of %d generations lay beside a file", layers, generations)
	}
	want := make([]byte, mib<<20)
	for at := 0; at < len(want); at += 4096 {
		want[at] = 1
	}
	for g, p := range line {
		if g < len(wrote) { // it went on after its fork with nothing
			for _, w := range wrote[g] {
				binary.LittleEndian.PutUint32(want[w.at:], w.x)
			}
		}
		m, err := p.Instance("line").Memory("m")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := m.View(0, uint64(len(want))); !ok || !bytes.Equal(got, want) {
			t.Fatalf("generation %d has other content", g)
		}
	}
	for i := range line {
		if err := line[i*37%len(line)].Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	after := holds(t)
	if after.files >= before.files || after.mappings > before.mappings+20 {
		t.Errorf("left: %+v, were %+v", after, before)
	}
}

// When the system's process has almost as many mappings as it may have, a fork fails with an error that names the limit; children and the parent go on, and when there is
// room again, forks succeed.
func TestForkWithoutMappings(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	limit, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		t.Skip(err)
	}
	if text := strings.TrimSpace(string(limit)); len(text) > 5 {
		t.Skipf("vm.max_map_count is %s: filling it up would take long", text)
	}
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	gate := make(chan struct{})
	var count atomic.Int32
	var parked atomic.Int64
	img := manyImage(t, rt, func() int32 { return count.Add(1) }, parking(gate, &parked))
	defer img.Close()

	// Pages that may be accessed beside ones that may not cannot be one mapping.
	const ballast = 50_000
	page := os.Getpagesize()
	b, err := unix.Mmap(-1, 0, ballast*page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Skip(err)
	}
	freed := false
	defer func() {
		if !freed {
			unix.Munmap(b) //nolint:errcheck // the test has failed
		}
	}()
	for i := 1; i < ballast; i += 2 {
		if err := unix.Mprotect(b[i*page:(i+1)*page], unix.PROT_READ); err != nil {
			t.Skip(err)
		}
	}
	var children []*spindle.Process
	var full *spindle.LimitError
	for {
		c, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			if !errors.As(err, &full) || !strings.Contains(full.Limit, "vm.max_map_count") {
				t.Fatalf("child %d: %v", len(children), err)
			}
			break
		}
		if children = append(children, c); len(children) > 30_000 {
			t.Fatal("there is no limit")
		}
	}
	if n := len(children); n < 1000 {
		t.Errorf("%d children were there when mappings ran out", n)
	}
	t.Logf("%d children: %v", len(children), full)
	for range 3 { // it does not get better by itself
		if _, err := img.Fork(ctx, spindle.ForkConfig{}); !errors.As(err, &full) {
			t.Errorf("a fork after the limit was met: %v", err)
		}
	}
	if _, err := rt.NewProcess(spindle.Config{}); err != nil && !errors.As(err, &full) {
		t.Errorf("a Process: %v", err)
	}
	close(gate)
	for _, c := range children {
		if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Munmap(b); err != nil {
		t.Fatal(err)
	}
	freed = true
	c, err := img.Fork(ctx, spindle.ForkConfig{})
	if err != nil {
		t.Fatalf("a fork when there is room again: %v", err)
	}
	if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
		t.Fatal(err)
	}
}
