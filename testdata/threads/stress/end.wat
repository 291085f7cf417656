;; 64 threads that compute, 64 that wait and 4 that read standard input; when all are there the main thread calls now, and traps.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "test" "now" (func $now))
  (import "env" "memory" (memory 1 1 shared))
  (export "memory" (memory 0))
  (data (i32.const 32) "\28\00\00\00\01")
  ;; Those that compute are made last, so that the others get to their places before.
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (if (i32.eq (i32.atomic.rmw.add (i32.const 4) (i32.const 1)) (i32.const 131))
      (then (drop (memory.atomic.notify (i32.const 4) (i32.const 1)))))
    (if (i32.lt_u (local.get $arg) (i32.const 4))
      (then (drop (call $read (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 48)))))
    (if (i32.lt_u (local.get $arg) (i32.const 68))
      (then (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
    (loop $l (br $l)))
  (func (export "_start") (local $i i32) (local $have i32)
    (loop $l
      (if (i32.le_s (call $spawn (local.get $i)) (i32.const 0)) (then (return)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 132))))
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 4)))
      (if (i32.ne (local.get $have) (i32.const 132)) (then
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $have) (i64.const -1))) (br $l))))
    (call $now)
    (unreachable)))
