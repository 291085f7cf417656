package spindle_test

import (
	"fmt"

	"github.com/spindle-wasm/spindle"
)

const (
	threadsRounds = 3_000_000 // that each thread which counts does
	threadsSum    = uint64(2*threadsRounds*100 + 11)
)

// threadsGuest is a guest with four threads beside the main one: one waits until it is notified, one until its time is over, two count, and do not end before the main one has been at
// stand, where it comes when all have begun. In the end it calls $tell with what they have made together, threadsSum. imports has $spawn, $tell, what stand needs, and the memory, which is shared.
func threadsGuest(imports, stand string) string {
	return fmt.Sprintf(`(module
		%s
		(func (export "wasi_thread_start") (param $tid i32) (param $k i32) (local $i i64)
			(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
			(if (i32.eqz (local.get $k)) (then ;; waits until it is notified
				(if (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const -1)) (then unreachable))
				(drop (i64.atomic.rmw.add (i32.const 8) (i64.const 1)))))
			(if (i32.eq (local.get $k) (i32.const 1)) (then ;; times out
				(if (i32.ne (memory.atomic.wait32 (i32.const 68) (i32.const 0) (i64.const 300000000)) (i32.const 2)) (then unreachable))
				(drop (i64.atomic.rmw.add (i32.const 8) (i64.const 10)))))
			(if (i32.ge_u (local.get $k) (i32.const 2)) (then ;; counts
				(loop $l
					(local.set $i (i64.add (local.get $i) (i64.const 1)))
					(br_if $l (i64.lt_u (local.get $i) (i64.const %d))))
				(loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 16)))))
				(drop (i64.atomic.rmw.add (i32.const 8) (i64.mul (local.get $i) (i64.const 100))))))
			(drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
			(drop (memory.atomic.notify (i32.const 4) (i32.const 1))))
		(func (export "_start") (local $n i32)
			(loop $s
				(drop (call $spawn (local.get $n)))
				(br_if $s (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4))))
			(loop $ready (br_if $ready (i32.ne (i32.atomic.load (i32.const 0)) (i32.const 4))))
			%s
			(i32.atomic.store (i32.const 16) (i32.const 1))
			(loop $wake (br_if $wake (i32.eqz (memory.atomic.notify (i32.const 64) (i32.const 1)))))
			(loop $join
				(local.set $n (i32.atomic.load (i32.const 4)))
				(if (i32.ne (local.get $n) (i32.const 4)) (then
					(drop (memory.atomic.wait32 (i32.const 4) (local.get $n) (i64.const -1)))
					(br $join))))
			(call $tell (i64.atomic.load (i32.const 8)))
			(drop (call $spawn (i32.const 1)))))`, imports, threadsRounds, stand)
}

// standUntil is a host function whose calls wait until release is closed. That one waits is said in entered, if there is room.
func standUntil(entered chan<- struct{}, release <-chan struct{}) *spindle.HostFunc {
	return spindle.Proc0(func(c *spindle.Caller) {
		c.Block(func() {
			select {
			case entered <- struct{}{}:
			default:
			}
			select {
			case <-release:
			case <-c.Stopped():
			}
		})
	}).Restartable()
}
