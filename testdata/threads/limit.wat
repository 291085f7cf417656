;; Beyond the Process's limit thread-spawn returns a negative number; when threads have left there is room again.
;; ends: exit 22
;; max-threads: 5
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  ;; 0 set: threads may leave; 4 counts those that have run
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (loop $l (if (i32.eqz (i32.atomic.load (i32.const 0))) (then
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))) (br $l)))))
  (func $fill (param $n i32) (local $i i32)
    (loop $l
      (if (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))
        (return)))
      (drop (call $yield))
      (br $l)))
  (func (export "_start") (local $n i32)
    (loop $l
      (if (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $l))))
    (if (i32.ne (local.get $n) (i32.const 5)) (then (call $exit (i32.const 1))))
    (if (i32.ge_s (call $spawn (i32.const 0)) (i32.const 0)) (then (call $exit (i32.const 2))))
    (i32.atomic.store (i32.const 0) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 0) (i32.const -1)))
    (call $fill (i32.const 300))
    (call $exit (i32.const 22))))
