package forktest

// Threads has threads that wait, with a timeout and without, that count, and that come and go, while the main thread waits for them. They all go into one sum.
var Threads = Guest{Name: "threads", Threads: true, Source: prelude + helpers + `
	(memory (export "memory") 2 2 shared)
	(func (export "wasi_thread_start") (param $tid i32) (param $k i32) (local $i i64)
		(drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
		(if (i32.eqz (local.get $k)) (then ;; waits until it is notified
			(if (memory.atomic.wait32 (i32.const 96) (i32.const 0) (i64.const -1)) (then unreachable))
			(drop (i64.atomic.rmw.add (i32.const 72) (i64.const 1)))))
		(if (i32.eq (local.get $k) (i32.const 1)) (then ;; times out
			(if (i32.ne (memory.atomic.wait32 (i32.const 100) (i32.const 0) (i64.const 20000000)) (i32.const 2)) (then unreachable))
			(drop (i64.atomic.rmw.add (i32.const 72) (i64.const 10)))))
		(if (i32.ge_u (local.get $k) (i32.const 2)) (then ;; counts
			(loop $l
				(local.set $i (i64.add (local.get $i) (i64.const 1)))
				(drop (i64.atomic.rmw.add (i32.const 72) (i64.const 100)))
				(br_if $l (i64.lt_u (local.get $i) (i64.const 500))))))
		(drop (i32.atomic.rmw.add (i32.const 68) (i32.const 1)))
		(drop (memory.atomic.notify (i32.const 68) (i32.const 1))))
	(func $join (param $all i32) (local $n i32)
		(loop $l
			(local.set $n (i32.atomic.load (i32.const 68)))
			(if (i32.ne (local.get $n) (local.get $all)) (then
				(drop (memory.atomic.wait32 (i32.const 68) (local.get $n) (i64.const -1)))
				(br $l)))))
	(func (export "_start") (local $n i32)
		(loop $s
			(call $check (i32.gt_s (call $spawn (local.get $n)) (i32.const 0)))
			(br_if $s (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4))))
		(loop $ready (br_if $ready (i32.ne (i32.atomic.load (i32.const 64)) (i32.const 4))))
		;; some that come and go, one after the other
		(local.set $n (i32.const 0))
		(loop $s
			(call $check (i32.gt_s (call $spawn (i32.const 3)) (i32.const 0)))
			(br_if $s (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3))))
		(loop $wake (br_if $wake (i32.eqz (memory.atomic.notify (i32.const 96) (i32.const 1)))))
		(call $join (i32.const 7))
		(call $tell (i64.atomic.load (i32.const 72)))))`}

// Queue has six threads wait in one queue, and wakes them one after the other: their order is that of the queue. Each run prints the order, which nobody knows
// beforehand: but a copy's is the original's.
var Queue = Guest{Name: "queue", Threads: true, Varies: true, Waiting: 6, Source: prelude + helpers + `
	(memory (export "memory") 2 2 shared)
	(func (export "wasi_thread_start") (param $tid i32) (param $k i32)
		(drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
		(if (memory.atomic.wait32 (i32.const 96) (i32.const 0) (i64.const -1)) (then unreachable))
		(i64.store (i32.const 72) (i64.or (i64.shl (i64.load (i32.const 72)) (i64.const 4)) (i64.extend_i32_u (local.get $k))))
		(i32.atomic.store (i32.const 68) (i32.add (i32.atomic.load (i32.const 68)) (i32.const 1))))
	(func (export "_start") (local $n i32)
		(loop $s
			(call $check (i32.gt_s (call $spawn (i32.add (local.get $n) (i32.const 1))) (i32.const 0)))
			(br_if $s (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 6))))
		(loop $ready (br_if $ready (i32.ne (i32.atomic.load (i32.const 64)) (i32.const 6))))
		(loop $held (br_if $held (i32.eqz (call $go))))
		(local.set $n (i32.const 0))
		(loop $next
			(loop $wake (br_if $wake (i32.eqz (memory.atomic.notify (i32.const 96) (i32.const 1)))))
			(local.set $n (i32.add (local.get $n) (i32.const 1)))
			(loop $woken (br_if $woken (i32.ne (i32.atomic.load (i32.const 68)) (local.get $n))))
			(br_if $next (i32.lt_u (local.get $n) (i32.const 6))))
		(call $tell (i64.load (i32.const 72)))))`}

// Alone has threads that wait and spin for ever; what the main thread does needs none of them. It ends them with itself.
var Alone = Guest{Name: "alone", Waiting: 1, Vanish: 2, Source: prelude + helpers + `
	(memory (export "memory") 2 2 shared)
	(func (export "wasi_thread_start") (param $tid i32) (param $k i32)
		(drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
		(if (i32.eqz (local.get $k)) (then
			(drop (memory.atomic.wait32 (i32.const 96) (i32.const 0) (i64.const -1))))
		(else (loop $l (br $l)))))
	(func (export "_start") (local $n i32)
		(drop (call $spawn (i32.const 1)))
		(loop $ready (br_if $ready (i32.ne (i32.atomic.load (i32.const 64)) (i32.const 1)))) ;; when the other one waits, both are there
		(drop (call $spawn (i32.const 0)))
		(loop $ready (br_if $ready (i32.ne (i32.atomic.load (i32.const 64)) (i32.const 2))))
		(loop $l
			(i64.store offset=65536 (i32.mul (i32.and (local.get $n) (i32.const 4095)) (i32.const 8)) (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 0x9E3779B97F4A7C15)))
			(br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 30000))))
		(loop $held (br_if $held (i32.eqz (call $go))))
		(call $tell (i64.load offset=65536 (i32.const 800)))))`}

// Reader has a thread that spins while the main one waits for its input: in poll_oneoff, with an hour to go, and in fd_read.
var Reader = Guest{Name: "reader", Threads: true, InHost: 1, Stdin: "what children read\n", Source: prelude + helpers + `
	(memory (export "memory") 2 2 shared)
	(func (export "wasi_thread_start") (param $tid i32) (param $k i32)
		(i32.atomic.store (i32.const 64) (i32.const 1))
		(loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 68)))))
		(i32.atomic.store (i32.const 72) (i32.const 1))
		(drop (memory.atomic.notify (i32.const 72) (i32.const 1))))
	(func (export "_start") (local $n i32)
		(drop (call $spawn (i32.const 0)))
		(loop $ready (br_if $ready (i32.eqz (i32.atomic.load (i32.const 64)))))
		;; two subscriptions at 200: an hour of the monotonic clock, and input
		(i64.store (i32.const 200) (i64.const 1))
		(i32.store (i32.const 216) (i32.const 1))
		(i64.store (i32.const 224) (i64.const 3600000000000))
		(i64.store (i32.const 248) (i64.const 2))
		(i32.store8 (i32.const 256) (i32.const 1))
		(call $ok (call $poll_oneoff (i32.const 200) (i32.const 400) (i32.const 2) (i32.const 500)))
		(call $check (i32.eq (i32.load (i32.const 500)) (i32.const 1)))
		(call $check (i64.eq (i64.load (i32.const 400)) (i64.const 2)))
		(memory.fill (i32.const 400) (i32.const 0) (i32.const 64)) ;; how much input there is already may differ
		(loop $more
			(local.set $n (call $in (i32.const 0) (i32.const 1000) (i32.const 5)))
			(call $out (i32.const 1) (i32.const 1000) (local.get $n))
			(br_if $more (local.get $n)))
		(i32.atomic.store (i32.const 68) (i32.const 1))
		(loop $join (if (i32.eqz (i32.atomic.load (i32.const 72))) (then
			(drop (memory.atomic.wait32 (i32.const 72) (i32.const 0) (i64.const -1)))
			(br $join))))))`}

// Patience has threads and the main one wait for times that no fork may cut short: in waits with a timeout, and in poll_oneoff. Each measures its own by the guest's clock.
var Patience = Guest{Name: "patience", Threads: true, Waiting: 2, Source: prelude + helpers + `
	(memory (export "memory") 2 2 shared)
	(func $now (param $at i32) (result i64)
		(call $ok (call $clock_time_get (i32.const 1) (i64.const 1) (local.get $at)))
		(i64.load (local.get $at)))
	(func (export "wasi_thread_start") (param $tid i32) (param $k i32) (local $t i64) (local $at i32) (local $time i64)
		(local.set $at (i32.add (i32.const 200) (i32.mul (local.get $k) (i32.const 8))))
		(local.set $time (i64.mul (i64.extend_i32_u (local.get $k)) (i64.const 50000000)))
		(drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
		(loop $again
			(local.set $t (call $now (local.get $at)))
			(call $check (i32.eq (memory.atomic.wait64 (i32.const 96) (i64.const 0) (local.get $time)) (i32.const 2)))
			(call $check (i64.ge_u (i64.sub (call $now (local.get $at)) (local.get $t)) (local.get $time)))
			(br_if $again (i32.eqz (i32.atomic.load (i32.const 76)))))
		(drop (i32.atomic.rmw.add (i32.const 68) (i32.const 1)))
		(drop (memory.atomic.notify (i32.const 68) (i32.const 1))))
	(func (export "_start") (local $n i32) (local $t i64)
		(drop (call $spawn (i32.const 1)))
		(drop (call $spawn (i32.const 4)))
		(loop $held (br_if $held (i32.eqz (call $go))))
		(i32.atomic.store (i32.const 76) (i32.const 1))
		;; 100 ms of the monotonic clock
		(local.set $t (call $now (i32.const 240)))
		(i32.store (i32.const 416) (i32.const 1))
		(i64.store (i32.const 424) (i64.const 100000000))
		(call $ok (call $poll_oneoff (i32.const 400) (i32.const 500) (i32.const 1) (i32.const 600)))
		(call $check (i64.ge_u (i64.sub (call $now (i32.const 240)) (local.get $t)) (i64.const 100000000)))
		(loop $join
			(local.set $n (i32.atomic.load (i32.const 68)))
			(if (i32.ne (local.get $n) (i32.const 2)) (then
				(drop (memory.atomic.wait32 (i32.const 68) (local.get $n) (i64.const -1)))
				(br $join))))
		(memory.fill (i32.const 200) (i32.const 0) (i32.const 64)) ;; times differ
		(call $tell (i64.const 5))))`}

// Objects builds lists and trees of objects, shares and forgets them, and sums up what is left.
var Objects = Guest{Name: "objects", GC: true, Source: prelude + helpers + `
	(memory (export "memory") 2)
	(rec (type $node (struct (field $l (mut (ref null $node))) (field $r (mut (ref null $node))) (field $x (mut i64)))))
	(type $row (array (mut (ref null $node))))
	(global $rows (mut (ref null $row)) (ref.null $row))
	(global $sum (export "sum") (mut i64) (i64.const 0))
	(func $tree (param $n i32) (param $x i64) (result (ref $node))
		(if (i32.eqz (local.get $n)) (then (return (struct.new $node (ref.null $node) (ref.null $node) (local.get $x)))))
		(struct.new $node
			(call $tree (i32.sub (local.get $n) (i32.const 1)) (i64.mul (local.get $x) (i64.const 3)))
			(call $tree (i32.sub (local.get $n) (i32.const 1)) (i64.add (local.get $x) (i64.const 1)))
			(local.get $x)))
	(func $walk (param $t (ref null $node)) (result i64)
		(if (ref.is_null (local.get $t)) (then (return (i64.const 1))))
		(i64.add (i64.mul (i64.const 31) (i64.add (call $walk (struct.get $node $l (local.get $t))) (struct.get $node $x (local.get $t))))
			(call $walk (struct.get $node $r (local.get $t)))))
	(func (export "_start") (local $i i32) (local $t (ref null $node))
		(global.set $rows (array.new $row (ref.null $node) (i32.const 16)))
		(loop $l
			(local.set $t (call $tree (i32.rem_u (local.get $i) (i32.const 7)) (i64.extend_i32_u (local.get $i))))
			;; an old object comes to refer to a new one
			(if (i32.eqz (i32.rem_u (local.get $i) (i32.const 3))) (then
				(if (i32.eqz (ref.is_null (array.get $row (global.get $rows) (i32.const 5)))) (then
					(struct.set $node $r (array.get $row (global.get $rows) (i32.const 5)) (local.get $t))))))
			(array.set $row (global.get $rows) (i32.and (local.get $i) (i32.const 15)) (local.get $t))
			(if (i32.eqz (i32.rem_u (local.get $i) (i32.const 25))) (then
				(global.set $sum (i64.add (global.get $sum) (call $walk (array.get $row (global.get $rows) (i32.const 5)))))
				(call $tell (global.get $sum))))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 120))))
		(call $tell (call $walk (local.get $t)))))`}

// Guests are all of them.
func Guests() []*Guest {
	return []*Guest{&Lively, &Traps, &Clocks, &Family, &Files, &Threads, &Queue, &Alone, &Reader, &Patience, &Objects}
}
