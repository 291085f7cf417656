;; Threads that live at the same time have different identifiers. That of a thread that has just left is not the next one's.
;; ends: exit 22
;; max-threads: 200
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  ;; 0 set: threads may leave; 4 counts those that have run; from 1024 on their identifiers
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (i32.store (i32.add (i32.const 1024) (i32.mul (local.get $arg) (i32.const 4))) (local.get $tid))
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const 1)))
    (if (i32.lt_u (local.get $arg) (i32.const 200)) (then
      (loop $l (if (i32.eqz (i32.atomic.load (i32.const 0))) (then
        (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))) (br $l)))))))
  (func $until (param $n i32) (local $have i32)
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 4)))
      (if (i32.ne (local.get $have) (local.get $n)) (then
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $have) (i64.const -1))) (br $l)))))
  (func $tid (param i32) (result i32) (i32.load (i32.add (i32.const 1024) (i32.mul (local.get 0) (i32.const 4)))))
  (func (export "_start") (local $i i32) (local $j i32) (local $last i32) (local $tid i32)
    (loop $l
      (if (i32.le_s (call $spawn (local.get $i)) (i32.const 0)) (then (call $exit (i32.const 1))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 150))))
    (call $until (i32.const 150))
    (loop $a
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (local.set $j (i32.const 0))
      (loop $b
        (if (i32.lt_u (local.get $j) (local.get $i)) (then
          (if (i32.eq (call $tid (local.get $i)) (call $tid (local.get $j))) (then (call $exit (i32.const 2))))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br $b))))
      (br_if $a (local.get $i)))
    ;; Others come and go beside them.
    (loop $l
      (local.set $tid (call $spawn (i32.const 200)))
      (if (i32.le_s (local.get $tid) (i32.const 0)) (then (drop (call $yield)) (br $l))) ;; those before are still leaving
      (call $until (i32.add (local.get $i) (i32.const 151)))
      (if (i32.eq (local.get $tid) (local.get $last)) (then (call $exit (i32.const 3))))
      (local.set $last (local.get $tid))
      (local.set $j (i32.const 0))
      (loop $b
        (if (i32.eq (call $tid (local.get $j)) (local.get $tid)) (then (call $exit (i32.const 4))))
        (br_if $b (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 150))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 500))))
    (call $exit (i32.const 22))))
