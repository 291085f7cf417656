;; The start function runs in each thread, once, before its entry, with the thread's own globals. It may be the last to see what threads share.
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (global $started (mut i32) (i32.const 0))
  (func $start
    (global.set $started (i32.add (global.get $started) (i32.const 1)))
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))
  (start $start)
  (func (export "wasi_thread_start") (param i32 i32)
    (if (i32.ne (global.get $started) (i32.const 1)) (then (call $exit (i32.const 1))))
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const 1))))
  (func (export "_start") (local $i i32) (local $have i32)
    (if (i32.ne (i32.load (i32.const 0)) (i32.const 1)) (then (call $exit (i32.const 2))))
    (loop $l
      (drop (call $spawn (i32.const 0)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 4)))
      (if (i32.ne (local.get $have) (i32.const 20)) (then
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $have) (i64.const -1))) (br $l))))
    (if (i32.ne (i32.load (i32.const 0)) (i32.const 21)) (then (call $exit (i32.const 3))))
    (call $exit (i32.const 22))))
