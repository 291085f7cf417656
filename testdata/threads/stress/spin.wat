;; Threads that never leave guest code: each counts its rounds at 64 times its number, from 1 on.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "env" "memory" (memory 3 3 shared))
  (export "memory" (memory 0))
  (func $round (param $arg i32)
    (drop (i64.atomic.rmw.add (i32.mul (local.get $arg) (i32.const 64)) (i64.const 1))))
  (func $down (param $arg i32) (param $depth i32)
    (call $round (local.get $arg))
    (if (local.get $depth) (then
      (call $down (local.get $arg) (i32.sub (local.get $depth) (i32.const 1)))
      (call $down (local.get $arg) (i32.sub (local.get $depth) (i32.const 1))))))
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (block $loop (block $calls (block $bulk (block $locked
      (br_table $loop $calls $bulk $locked (i32.and (local.get $arg) (i32.const 3))))
      ;; waits for a lock that nobody gives back
      (loop $l (call $round (local.get $arg)) (br_if $l (i32.eqz (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 1) (i32.const 1)))) (unreachable)))
      (loop $l (call $round (local.get $arg)) (memory.fill (i32.const 65536) (local.get $arg) (i32.const 120000)) (br $l)))
      (loop $l (call $down (local.get $arg) (i32.const 20)) (br $l)))
    (loop $l (call $round (local.get $arg)) (br $l)))
  (func (export "_start") (local $i i32)
    (loop $l
      (if (i32.le_s (call $spawn (local.tee $i (i32.add (local.get $i) (i32.const 1)))) (i32.const 0)) (then (unreachable)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 8))))
    (loop $l (br $l))))
