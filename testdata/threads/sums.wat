;; The sum of what notify returned is the number of waits that returned 0, whatever timeouts do at the same time. Nobody is woken without being
;; notified: a wait returns 0, 1 only if the cell differs, which it never does, and 2.
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  ;; 0 is waited for; 8 counts waits that returned 0; 12 those notified; 16 waiting threads that are through; 20 set: notifying ones stop; 24 those
  (func $wait (param $arg i32) (local $n i32) (local $r i32) (local $ok i32)
    (local.set $n (i32.const 200))
    (loop $l
      (local.set $r
        (if (result i32) (i32.and (local.get $n) (i32.const 1))
          (then (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.extend_i32_u (i32.mul (i32.rem_u (local.get $n) (i32.const 5)) (i32.const 700)))))
          (else (memory.atomic.wait64 (i32.const 0) (i64.const 0) (i64.extend_i32_u (i32.mul (i32.rem_u (local.get $n) (i32.const 3)) (i32.const 900)))))))
      (if (i32.eqz (local.get $r)) (then (local.set $ok (i32.add (local.get $ok) (i32.const 1)))))
      (if (i32.eq (local.get $r) (i32.const 1)) (then (call $exit (i32.const 1))))
      (if (i32.gt_u (local.get $r) (i32.const 2)) (then (call $exit (i32.const 2))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (drop (i32.atomic.rmw.add (i32.const 8) (local.get $ok)))
    (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 16) (i32.const -1))))
  (func $notify (local $n i32)
    (loop $l
      (local.set $n (i32.add (local.get $n) (memory.atomic.notify (i32.const 0) (i32.add (i32.const 1) (i32.and (local.get $n) (i32.const 3))))))
      (br_if $l (i32.eqz (i32.atomic.load (i32.const 20)))))
    (drop (i32.atomic.rmw.add (i32.const 12) (local.get $n)))
    (drop (i32.atomic.rmw.add (i32.const 24) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 24) (i32.const -1))))
  (func (export "wasi_thread_start") (param i32 i32)
    (if (local.get 1) (then (call $wait (local.get 1))) (else (call $notify))))
  (func $until (param $at i32) (param $n i32) (local $have i32)
    (loop $l
      (local.set $have (i32.atomic.load (local.get $at)))
      (if (i32.ne (local.get $have) (local.get $n)) (then
        (drop (memory.atomic.wait32 (local.get $at) (local.get $have) (i64.const -1))) (br $l)))))
  (func (export "_start") (local $i i32)
    (loop $l
      (drop (call $spawn (i32.rem_u (local.get $i) (i32.const 4))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
    (call $until (i32.const 16) (i32.const 6))
    (i32.atomic.store (i32.const 20) (i32.const 1))
    (call $until (i32.const 24) (i32.const 2))
    (if (i32.ne (i32.load (i32.const 8)) (i32.load (i32.const 12))) (then (call $exit (i32.const 3))))
    (if (memory.atomic.notify (i32.const 0) (i32.const -1)) (then (call $exit (i32.const 4)))) ;; nobody was left in the queue
    (call $exit (i32.const 22))))
