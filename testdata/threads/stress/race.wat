;; Eight threads that end the program at the same moment: by code 101 to 104, or by a trap. Without them the main thread would wait for ever.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1 1 shared)
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (if (i32.eq (i32.atomic.rmw.add (i32.const 4) (i32.const 1)) (i32.const 7))
      (then (i32.atomic.store (i32.const 0) (i32.const 1)) (drop (memory.atomic.notify (i32.const 0) (i32.const -1))))
      (else (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
    (if (i32.and (local.get $arg) (i32.const 1))
      (then (call $exit (i32.add (i32.const 101) (i32.shr_u (local.get $arg) (i32.const 1))))))
    (unreachable))
  (func (export "_start") (local $i i32)
    (loop $l
      ;; refused once somebody else has ended it
      (drop (call $spawn (local.get $i)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
    (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))
    (unreachable)))
