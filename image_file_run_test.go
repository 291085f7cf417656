package spindle_test

import (
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// busyGuest calls itself, other functions by tables and references, another instance and the host, throws and catches, grows memories and tables, drops segments:
// wherever it stands, something of that is on the stack. It tells a number that all of it went into.
const busyGuest = `(module
	(import "host" "tell" (func $tell (param i64)))
	(import "host" "mix" (func $mix (param i64) (result i64)))
	(import "lib" "twice" (func $twice (param i64) (result i64)))
	(import "lib" "g" (global $libg (mut i64)))
	(import "lib" "t" (table $libt 4 funcref))
	(type $f (func (param i64) (result i64)))
	(memory 1 64)
	(table $t 3 100 funcref)
	(elem (table $t) (i32.const 0) func $a $b $mix)
	(elem $later func $b $a)
	(data $d "\07\01\02\03\04\05\06\08")
	(tag $e (param i64))
	(tag $none)
	(global $sum (mut i64) (i64.const 1))
	(global $fn (mut funcref) (ref.func $a))
	(global $v (mut v128) (v128.const i64x2 3 4))
	(func $a (type $f) (i64.xor (i64.mul (local.get 0) (i64.const 0x9E3779B97F4A7C15)) (i64.shr_u (local.get 0) (i64.const 29))))
	(func $b (type $f) (call $twice (i64.add (call $a (local.get 0)) (global.get $libg))))
	(func $deep (param $n i32) (param $x i64) (result i64) (local $r (ref null $f)) (local $k i32)
		(if (i32.eqz (local.get $n)) (then
			(block $h (result i64 exnref)
				(try_table (result i64 exnref) (catch_ref $e $h) (throw $e (local.get $x))))
			(drop)
			(return)))
		(local.set $r (ref.func $a))
		(loop $l
			(local.set $x (call_ref $f (local.get $x) (local.get $r)))
			(br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 3))))
		(local.set $x (call_indirect $t (type $f) (local.get $x) (i32.rem_u (local.get $n) (i32.const 3))))
		(return_call $up (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $x))))
	(func $up (param i64) (result i64)
		(global.set $v (i64x2.add (global.get $v) (i64x2.splat (local.get 0))))
		(i64.add (local.get 0) (i64.load (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 0xFFF8)))))
	(func $round (param $i i32) (local $x i64)
		(local.set $x (call $deep (i32.add (i32.rem_u (local.get $i) (i32.const 40)) (i32.const 1)) (global.get $sum)))
		(i64.store (i32.and (i32.mul (local.get $i) (i32.const 8)) (i32.const 0xFFF8)) (local.get $x))
		(i64.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)) (local.get $x))
		(if (i32.eqz (i32.rem_u (local.get $i) (i32.const 100))) (then
			(drop (memory.grow (i32.const 1)))
			(drop (table.grow $t (global.get $fn) (i32.const 1)))))
		(if (i32.eq (local.get $i) (i32.const 700)) (then
			(memory.init $d (i32.const 16) (i32.const 0) (i32.const 8))
			(data.drop $d)
			(table.init $t $later (i32.const 0) (i32.const 0) (i32.const 2))
			(elem.drop $later)))
		(table.set $libt (i32.const 1) (global.get $fn))
		(global.set $sum (i64.add (local.get $x) (i64x2.extract_lane 1 (global.get $v)))))
	(func (export "_start") (local $i i32)
		(loop $l
			(call $round (local.get $i))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2500))))
		(call $tell (global.get $sum))))`

const busyLib = `(module
	(type $f (func (param i64) (result i64)))
	(global (export "g") (mut i64) (i64.const 5))
	(table (export "t") 4 2000 funcref)
	(elem (i32.const 0) func $id $id $id $id)
	(func $id (type $f) (local.get 0))
	(func (export "twice") (param i64) (result i64) (local $i i32)
		(global.set 0 (i64.add (global.get 0) (i64.const 3)))
		(loop $l
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))
		(call_indirect (type $f) (i64.add (local.get 0) (local.get 0)) (i32.const 1))))`

// told collects what guests tell, by Process.
type told struct {
	mu   sync.Mutex
	nums map[*spindle.Process]uint64
}

func (d *told) of(p *spindle.Process) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nums[p]
}

func (d *told) host() spindle.HostModule {
	d.nums = map[*spindle.Process]uint64{}
	return spindle.HostModule{
		"tell": spindle.Proc1(func(c *spindle.Caller, n uint64) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.nums[c.Process()] = n
		}),
		"mix": spindle.Func1(func(_ *spindle.Caller, n uint64) uint64 { return n*31 + 7 }),
	}
}

// A guest that is written to files at safepoints of all kinds goes on from each of them, in a Runtime of its own, to the end that it has itself.
func TestSnapshotAtAnySafepoint(t *testing.T) {
	ctx := t.Context()
	const files = 4 // of a run
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	// run runs the guest with at called at each safepoint, and then what comes out of the images, which are written while the guest goes on.
	run := func(round int, at func(p *spindle.Process) *spindle.Image) {
		var d told
		host := d.host()
		rt := spindle.NewRuntime()
		images := make(chan *spindle.Image, files)
		p, err := rt.NewProcess(spindle.Config{Imports: spindle.Imports{"host": host}, Forkable: round%2 == 0, AtSafepoint: func(p *spindle.Process) {
			if img := at(p); img != nil {
				images <- img
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Instantiate(ctx, compileText(t, rt, busyLib), "lib"); err != nil {
			t.Fatal(err)
		}
		inst, err := p.Instantiate(ctx, compileText(t, rt, busyGuest), "main")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := inst.Call(ctx, "_start")
			close(images)
			ended <- err
		}()
		var children []*spindle.Process
		for img := range images {
			children = append(children, throughFile(t, img, spindle.Imports{"host": host}))
			if err := img.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		want := d.of(p)
		for i, c := range children {
			if c.Done() == nil {
				t.Fatalf("round %d, file %d: no guest runs", round, i)
			}
			if err := c.Wait(ctx); err != nil {
				t.Fatalf("round %d, file %d: %v", round, i, err)
			}
			if got := d.of(c); got != want {
				t.Errorf("round %d, file %d: the guest tells %#x, want %#x", round, i, got, want)
			}
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%d regions left", n)
		}
	}
	all := 0
	run(0, func(*spindle.Process) *spindle.Image { all++; return nil })
	if all < 100*files*rounds {
		t.Fatalf("%d safepoints", all)
	}
	for round := range rounds {
		n, made := 0, 0
		run(round, func(p *spindle.Process) *spindle.Image {
			if n++; n%(all/files) != 1+round*(all/files/rounds) {
				return nil
			}
			img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
			if err != nil {
				t.Error(err)
				return nil
			}
			made++
			return img
		})
		if made < files {
			t.Errorf("round %d: %d files", round, made)
		}
	}
}

// Every thread of a threaded guest goes on out of a file: those that wait, with a timeout or without, one in a loop, the main thread in a host function.
func TestSnapshotOfAllThreads(t *testing.T) {
	ctx := t.Context()
	src := threadsGuest(`
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(import "host" "go" (func $go))
		(import "host" "tell" (func $tell (param i64)))
		(memory 1 1 shared)`, `(call $go)`)
	for round := range 4 {
		var d told
		host := d.host()
		release, entered := make(chan struct{}), make(chan struct{}, 1)
		host["go"] = standUntil(entered, release)
		imports := spindle.Imports{"host": host, "wasi": threadSpawn()}
		rt := spindle.NewRuntime()
		p, err := rt.Start(ctx, compileText(t, rt, src), spindle.Config{Forkable: round%2 == 0, Imports: imports})
		if err != nil {
			t.Fatal(err)
		}
		<-entered
		img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all := []*spindle.Process{p, throughFile(t, img, imports), throughFile(t, img, imports)}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
		close(release)
		for i, c := range all {
			if err := c.Wait(ctx); err != nil {
				t.Fatalf("Process %d: %v", i, err)
			}
			if got, want := d.of(c), threadsSum; got != want {
				t.Errorf("Process %d tells %d, want %d", i, got, want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}
}
