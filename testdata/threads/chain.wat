;; Threads spawn threads: a chain of 1,000, each of which leaves when it has made the next one.
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func $next (param $arg i32)
    (if (i32.eqz (local.get $arg)) (then (call $exit (i32.const 22))))
    (if (i32.le_s (call $spawn (i32.sub (local.get $arg) (i32.const 1))) (i32.const 0)) (then (call $exit (i32.const 1)))))
  (func (export "wasi_thread_start") (param i32 i32) (call $next (local.get 1)))
  (func (export "_start")
    (call $next (i32.const 1000))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
