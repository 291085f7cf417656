;; Active data segments are applied again at each spawn to a memory that is imported (threads proposal: instantiation copies them).
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (global $at i32 (i32.const 100))
  (data $d (i32.const 16) "abcd") (data (offset (i32.add (global.get $at) (i32.const 4))) "efgh")
  (func (export "wasi_thread_start") (param i32 i32)
    (if (i32.ne (i32.load (i32.const 16)) (i32.const 0x64636261)) (then (call $exit (i32.const 1))))
    (if (i32.ne (i32.load (i32.const 104)) (i32.const 0x68676665)) (then (call $exit (i32.const 2))))
    (if (i32.ne (i32.load (i32.const 20)) (i32.const 7)) (then (call $exit (i32.const 3))))
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)) ;; dropped: only nothing can be taken of it
    (call $exit (i32.const 22)))
  (func (export "_start")
    (if (i32.ne (i32.load (i32.const 16)) (i32.const 0x64636261)) (then (call $exit (i32.const 5))))
    (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 104) (i32.const 0)) (i32.store (i32.const 20) (i32.const 7))
    (drop (call $spawn (i32.const 0)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
