;; run makes n threads that wait, wakes them all, and returns when each has noted that it was woken. made and woken are called in between.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "test" "made" (func $made))
  (import "test" "woken" (func $woken))
  (memory (export "memory") 1 1 shared)
  ;; 0 is waited for; 4 counts those that run, 8 those that were woken
  (func $count (param $at i32) (param $n i32)
    (if (i32.eq (i32.add (i32.atomic.rmw.add (local.get $at) (i32.const 1)) (i32.const 1)) (local.get $n)) (then
      (drop (memory.atomic.notify (local.get $at) (i32.const -1))))))
  (func $until (param $at i32) (param $n i32) (local $have i32)
    (loop $l
      (local.set $have (i32.atomic.load (local.get $at)))
      (if (i32.ne (local.get $have) (local.get $n)) (then
        (drop (memory.atomic.wait32 (local.get $at) (local.get $have) (i64.const -1))) (br $l)))))
  (func (export "wasi_thread_start") (param $tid i32) (param $n i32)
    (call $count (i32.const 4) (local.get $n))
    (if (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)) (then (unreachable)))
    (call $count (i32.const 8) (local.get $n)))
  ;; Only the last thread to count notifies, so that the others do not wake this one for nothing; the loop looks again,
  ;; as the count may have gone on between its load and its wait.
  (func (export "run") (param $n i32) (local $i i32) (local $woken i32)
    (local.set $i (local.get $n))
    (loop $l
      (if (i32.le_s (call $spawn (local.get $n)) (i32.const 0)) (then (unreachable)))
      (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (call $until (i32.const 4) (local.get $n))
    (call $made)
    ;; some may be on their way into the queue
    (loop $l
      (local.set $woken (i32.add (local.get $woken) (memory.atomic.notify (i32.const 0) (i32.const -1))))
      (br_if $l (i32.lt_u (local.get $woken) (local.get $n))))
    (if (i32.gt_u (local.get $woken) (local.get $n)) (then (unreachable)))
    (call $until (i32.const 8) (local.get $n))
    (call $woken)))
