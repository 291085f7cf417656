;; thread-spawn returns an identifier between 1 and 0x1FFFFFFF, which the new thread's entry gets, with the argument as it was given.
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  ;; 0 set when the thread has noted its identifier at 4 and its argument at 8
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (i32.store (i32.const 4) (local.get $tid))
    (i32.store (i32.const 8) (local.get $arg))
    (i32.atomic.store (i32.const 0) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
  (func $try (param $arg i32) (local $tid i32)
    (i32.atomic.store (i32.const 0) (i32.const 0))
    (local.set $tid (call $spawn (local.get $arg)))
    (if (i32.le_s (local.get $tid) (i32.const 0)) (then (call $exit (i32.const 1))))
    (if (i32.gt_u (local.get $tid) (i32.const 0x1FFFFFFF)) (then (call $exit (i32.const 2))))
    (loop $l (if (i32.eqz (i32.atomic.load (i32.const 0))) (then
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))) (br $l))))
    (if (i32.ne (local.get $tid) (i32.load (i32.const 4))) (then (call $exit (i32.const 3))))
    (if (i32.ne (local.get $arg) (i32.load (i32.const 8))) (then (call $exit (i32.const 4)))))
  (func (export "_start")
    (call $try (i32.const 0)) (call $try (i32.const 0x7FFFFFFF)) (call $try (i32.const 0x80000000)) (call $try (i32.const -1))
    (call $exit (i32.const 22))))
