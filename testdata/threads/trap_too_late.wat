;; A thread that would trap or exit later is gone when the main thread returns: that return is how the program ended.
;; ends: return
;; each: (unreachable)
;; each: (call $exit (i32.const 3))
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func (export "wasi_thread_start") (param i32 i32)
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const 1)))
    ;; nobody notifies it before the time is over, which is longer than any test
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 3600000000000)))
    (;EACH;))
  (func (export "_start")
    (drop (call $spawn (i32.const 0)))
    (loop $l (if (i32.eqz (i32.atomic.load (i32.const 4))) (then
      (drop (memory.atomic.wait32 (i32.const 4) (i32.const 0) (i64.const -1))) (br $l))))))
