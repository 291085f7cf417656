;; Sixteen threads, each at something else. With an argument the main thread waits for ever, without it exits with code 22 when all are there.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "test" "host" (func $host))
  (import "env" "memory" (memory 2 2 shared))
  (export "memory" (memory 0))
  (type $v (func))
  ;; 0 never changes; 4 counts the threads that are there; 8 a turn; 16 waited for with timeouts; 32 iovec; 64 subscription; 128 event; 160 result
  (data (i32.const 32) "\28\00\00\00\01")
  (data (i32.const 64) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01")
  ;; those that need a processor come last; only one of them gives it to nobody, or each Process would take long
  (table funcref (elem $waiting $polling $reading $timeouts $waiting $host $waiting $polling $host $reading $ping $pong
    $yielding $notifying $busy $spawning))
  (func $busy (loop $l (br $l)))
  (func $waiting (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
  (func $polling (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 160))))
  (func $reading (drop (call $read (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 160))))
  (func $yielding (loop $l (drop (call $yield)) (br $l)))
  (func $spawning (loop $l (drop (call $spawn (i32.const 16))) (drop (call $yield)) (br $l)))
  (func $timeouts (local $n i64)
    (loop $l
      (drop (memory.atomic.wait32 (i32.const 16) (i32.const 0) (i64.mul (i64.and (local.get $n) (i64.const 7)) (i64.const 10000))))
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (br $l)))
  (func $notifying (loop $l (drop (memory.atomic.notify (i32.const 16) (i32.const 1))) (drop (call $yield)) (br $l)))
  (func $turn (param $me i32)
    (loop $l
      (if (i32.eq (i32.atomic.load (i32.const 8)) (local.get $me))
        (then
          (i32.atomic.store (i32.const 8) (i32.xor (local.get $me) (i32.const 1)))
          (drop (memory.atomic.notify (i32.const 8) (i32.const 1))))
        (else (drop (memory.atomic.wait32 (i32.const 8) (i32.xor (local.get $me) (i32.const 1)) (i64.const -1)))))
      (br $l)))
  (func $ping (call $turn (i32.const 0)))
  (func $pong (call $turn (i32.const 1)))
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (if (i32.ge_u (local.get $arg) (i32.const 16)) (then (return)))
    (if (i32.eq (i32.atomic.rmw.add (i32.const 4) (i32.const 1)) (i32.const 15))
      (then (drop (memory.atomic.notify (i32.const 4) (i32.const -1)))))
    (call_indirect (type $v) (local.get $arg)))
  (func (export "_start") (local $i i32) (local $have i32)
    (loop $l
      (if (i32.gt_s (call $spawn (local.get $i)) (i32.const 0))
        (then (local.set $i (i32.add (local.get $i) (i32.const 1))))
        (else (drop (call $yield)))) ;; those that the spawning thread made are in the way
      (br_if $l (i32.lt_u (local.get $i) (i32.const 16))))
    (drop (call $args_sizes (i32.const 160) (i32.const 164)))
    (if (i32.ne (i32.load (i32.const 160)) (i32.const 1)) (then (call $waiting)))
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 4)))
      (if (i32.ne (local.get $have) (i32.const 16)) (then
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $have) (i64.const -1))) (br $l))))
    (call $exit (i32.const 22))))
