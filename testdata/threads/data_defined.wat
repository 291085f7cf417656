;; A shared memory that is defined is not made anew for a thread, and so not initialised anew. The segment is dropped nevertheless.
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1 1 shared)
  (data $d (i32.const 16) "abcd")
  (func (export "wasi_thread_start") (param i32 i32)
    (if (i32.ne (i32.load (i32.const 16)) (i32.const 9)) (then (call $exit (i32.const 1))))
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))
    (call $exit (i32.const 22)))
  (func (export "_start")
    (if (i32.ne (i32.load (i32.const 16)) (i32.const 0x64636261)) (then (call $exit (i32.const 5))))
    (i32.store (i32.const 16) (i32.const 9))
    (drop (call $spawn (i32.const 0)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
