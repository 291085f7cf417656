;; What a start function of a thread ends with is what an entry would end with; its entry does not run. The spawn has succeeded before.
;; ends: exit 9
;; each: (call $exit (i32.const 9))
;; each: (if (i32.ne (call $spawn (i32.const 0)) (i32.const -5)) (then (call $exit (i32.const 9)))) (unreachable)
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func $start (if (i32.atomic.rmw.xchg (i32.const 4) (i32.const 1)) (then (;EACH;))))
  (start $start)
  (func (export "wasi_thread_start") (param i32 i32) (call $exit (i32.const 1)))
  (func (export "_start")
    (if (i32.le_s (call $spawn (i32.const 0)) (i32.const 0)) (then (call $exit (i32.const 2))))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
