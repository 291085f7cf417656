;; Many threads end the program at the same moment, each with a code of its own: one of these is the Process's, whichever.
;; ends: exit 101..116
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func (export "wasi_thread_start") (param i32 i32)
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
    (call $exit (i32.add (local.get 1) (i32.const 101))))
  (func (export "_start") (local $i i32) (local $have i32)
    (loop $l
      (drop (call $spawn (local.get $i)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 15))))
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 4)))
      (if (i32.ne (local.get $have) (i32.const 15)) (then
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $have) (i64.const -1))) (br $l))))
    (i32.atomic.store (i32.const 0) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 0) (i32.const -1)))
    (call $exit (i32.const 116))))
