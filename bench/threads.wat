;; The guests of the threads table: what peer/threads.c does natively. threads.go puts the number of entries of the table.
;;
;; Addresses, each in a cache line of its own: 0 turn, 64 joined, 128 sum, 192 gate, 256 arrived, 320 left, 384 an iovec of one byte.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "bench" "now" (func $now)) ;; the host takes the time
  (import "bench" "count" (func $count (param i32) (result i32))) ;; how many threads of a kind
  (memory (export "memory") 1 1 shared)
  (table {{TABLE}} funcref)
  (elem (i32.const 0) func $nothing $player $adder $sleeper $busy $reader)

  ;; What a thread does is an index in the table, and a number above it.
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (call_indirect (param i32) (i32.shr_u (local.get $arg) (i32.const 3)) (i32.and (local.get $arg) (i32.const 7))))

  ;; The host says no while threads that have ended have not left yet.
  (func $start (param $what i32) (param $n i32)
    (loop $again
      (br_if $again (i32.lt_s
        (call $spawn (i32.or (local.get $what) (i32.shl (local.get $n) (i32.const 3))))
        (i32.const 0)))))

  (func $add (param $at i32) (drop (i32.atomic.rmw.add (local.get $at) (i32.const 1))))
  (func $sleep (param $ns i64) (drop (memory.atomic.wait32 (i32.const 448) (i32.const 0) (local.get $ns))))

  (func $nothing (param i32)
    (i32.atomic.store (i32.const 64) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 64) (i32.const 1))))

  (func (export "spawn") (param $n i32)
    (loop $next
      (i32.atomic.store (i32.const 64) (i32.const 0))
      (call $start (i32.const 0) (i32.const 0))
      (drop (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const -1)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  (func $play (param $me i32) (param $n i32)
    (loop $next
      (loop $wait
        (if (i32.ne (i32.atomic.load (i32.const 0)) (local.get $me)) (then
          (drop (memory.atomic.wait32 (i32.const 0) (i32.eqz (local.get $me)) (i64.const -1)))
          (br $wait))))
      (i32.atomic.store (i32.const 0) (i32.eqz (local.get $me)))
      (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  (func $player (param $n i32) (call $play (i32.const 1) (local.get $n)))

  (func (export "pingpong") (param $n i32)
    (call $start (i32.const 1) (local.get $n))
    (call $play (i32.const 0) (local.get $n))
    (loop $end (br_if $end (i32.atomic.load (i32.const 0)))))

  (func $adder (param $n i32)
    (loop $next
      (call $add (i32.const 128))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $add (i32.const 320))
    (drop (memory.atomic.notify (i32.const 320) (i32.const -1))))

  ;; The sum of n additions of each of that many threads.
  (func (export "add") (param $threads i32) (param $n i32) (result i32)
    (local $i i32) (local $left i32)
    (i32.atomic.store (i32.const 128) (i32.const 0))
    (i32.atomic.store (i32.const 320) (i32.const 0))
    (local.set $i (local.get $threads))
    (loop $next
      (call $start (i32.const 2) (local.get $n))
      (br_if $next (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (loop $join
      (local.set $left (i32.atomic.load (i32.const 320)))
      (if (i32.ne (local.get $left) (local.get $threads)) (then
        (drop (memory.atomic.wait32 (i32.const 320) (local.get $left) (i64.const -1)))
        (br $join))))
    (i32.atomic.load (i32.const 128)))

  (func $arrive
    (call $add (i32.const 256))
    (drop (memory.atomic.notify (i32.const 256) (i32.const 1))))
  (func $arrival (param $n i32)
    (local $there i32)
    (loop $wait
      (local.set $there (i32.atomic.load (i32.const 256)))
      (if (i32.ne (local.get $there) (local.get $n)) (then
        (drop (memory.atomic.wait32 (i32.const 256) (local.get $there) (i64.const -1)))
        (br $wait)))))

  (func $sleeper (param i32)
    (call $arrive)
    (loop $wait
      (drop (memory.atomic.wait32 (i32.const 192) (i32.const 0) (i64.const -1)))
      (br_if $wait (i32.eqz (i32.atomic.load (i32.const 192)))))
    (call $add (i32.const 320)))

  ;; Starts all threads of a kind.
  (func $many (param $what i32)
    (local $n i32)
    (local.set $n (call $count (local.get $what)))
    (loop $next
      (if (local.get $n) (then
        (call $start (local.get $what) (i32.const 0))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))))

  ;; Wakes all sleepers once they are there, and returns when the last one is on its way out.
  (func (export "blocked")
    (call $many (i32.const 3))
    (call $arrival (call $count (i32.const 3)))
    (call $sleep (i64.const 2000000)) ;; until the last ones are where they said they would be
    (call $now)
    (i32.atomic.store (i32.const 192) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 192) (i32.const -1)))
    (loop $gone
      (call $sleep (i64.const 100000))
      (br_if $gone (i32.lt_u (i32.atomic.load (i32.const 320)) (call $count (i32.const 3))))))

  (func $busy (param i32)
    (call $arrive)
    (loop $l (br $l)))

  (func $reader (param i32)
    (call $arrive)
    (drop (call $read (i32.const 0) (i32.const 384) (i32.const 1) (i32.const 400))))

  ;; Traps while others are waiting, reading, busy.
  (func (export "trap")
    (i32.store (i32.const 384) (i32.const 416))
    (i32.store (i32.const 388) (i32.const 1))
    (call $many (i32.const 3))
    (call $many (i32.const 5))
    (call $arrival (i32.add (call $count (i32.const 3)) (call $count (i32.const 5))))
    (call $sleep (i64.const 2000000))
    ;; the busy ones last: each step takes long beside them
    (call $many (i32.const 4))
    (call $arrival (i32.add (i32.add (call $count (i32.const 3)) (call $count (i32.const 5))) (call $count (i32.const 4))))
    (call $now)
    unreachable))
