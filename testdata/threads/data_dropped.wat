;; An active segment is dropped in a thread, too: to take of it traps, and that ends the Process.
;; ends: trap out of bounds memory access
;; each: (import "foo" "bar" (memory 1 1 shared)) (export "memory" (memory 0))
;; each: (memory (export "memory") 1 1 shared)
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (;EACH;)
  (data $d (i32.const 16) "abcd")
  (func (export "wasi_thread_start") (param i32 i32) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))
  (func (export "_start")
    (drop (call $spawn (i32.const 0)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
