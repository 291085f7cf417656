;; A trap of a thread's start function is a trap of that thread: it ends the Process.
;; ends: trap unreachable
;; thread: 1
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func $start (if (i32.atomic.rmw.xchg (i32.const 4) (i32.const 1)) (then (unreachable))))
  (start $start)
  (func (export "wasi_thread_start") (param i32 i32) (call $exit (i32.const 1)))
  (func (export "_start")
    (if (i32.ne (call $spawn (i32.const 0)) (i32.const 1)) (then (call $exit (i32.const 2))))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
