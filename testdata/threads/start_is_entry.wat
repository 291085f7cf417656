;; If the start function is the program itself, each thread runs it again and spawns again, without end: it meets the limit of threads.
;; ends: exit 42
;; max-threads: 50
;; each: (func $go) (func (export "_start"))
;; each: (func $go (export "_start"))
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (;EACH;)
  (func $start
    (call $go)
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (if (i32.lt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
      ;; there was room for 50 others and the main thread
      (call $exit (i32.sub (i32.atomic.load (i32.const 4)) (i32.const 9)))))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
  (start $start)
  (func (export "wasi_thread_start") (param i32 i32)))
