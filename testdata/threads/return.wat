;; A return from wasi_thread_start ends that thread only: 2,000 of them, one after the other, stay within a limit of 4.
;; ends: exit 7
;; max-threads: 4
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (i32.store (i32.const 8) (local.get $tid))
    (i32.atomic.store (i32.const 12) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 12) (i32.const 1))))
  (func (export "_start") (local $n i32) (local $tid i32) (local $last i32)
    (loop $l
      (i32.atomic.store (i32.const 12) (i32.const 0))
      ;; those before may not have left yet
      (loop $again (if (i32.le_s (local.tee $tid (call $spawn (i32.const 2))) (i32.const 0)) (then (drop (call $yield)) (br $again))))
      (loop $w (if (i32.eqz (i32.atomic.load (i32.const 12))) (then
        (drop (memory.atomic.wait32 (i32.const 12) (i32.const 0) (i64.const -1))) (br $w))))
      (if (i32.ne (i32.load (i32.const 8)) (local.get $tid)) (then (call $exit (i32.const 1))))
      (if (i32.eq (local.get $tid) (local.get $last)) (then (call $exit (i32.const 2))))
      (local.set $last (local.get $tid))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 2000))))
    (call $exit (i32.const 7))))
