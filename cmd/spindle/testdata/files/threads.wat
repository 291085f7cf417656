;; Spawns four threads that add up their arguments in the shared memory, waits for all, and exits with the sum; or with 90 if a thread cannot be had.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "env" "memory" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (drop (i32.atomic.rmw.add (i32.const 0) (local.get $arg)))
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const 1))))
  (func (export "_start") (local $i i32) (local $n i32)
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.lt_s (call $spawn (local.get $i)) (i32.const 0)) (then (call $exit (i32.const 90))))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 4))))
    (block $done
      (loop $wait
        (br_if $done (i32.eq (local.tee $n (i32.atomic.load (i32.const 4))) (i32.const 4)))
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $n) (i64.const -1)))
        (br $wait)))
    (call $exit (i32.atomic.load (i32.const 0)))))
