;; memory.grow of a shared memory by eight threads at once: each gets pages of its own, zeroed, at the place that it was told; the sizes add up.
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 1 1000 shared))
  (export "memory" (memory 0))
  (func $grow (param $who i32) (local $i i32) (local $n i32) (local $at i32)
    (loop $l
      (local.set $n (i32.add (i32.const 1) (i32.rem_u (i32.add (local.get $i) (local.get $who)) (i32.const 3))))
      (local.set $at (memory.grow (local.get $n)))
      (if (i32.eq (local.get $at) (i32.const -1)) (then (call $exit (i32.const 1))))
      ;; no smaller than what it was told; a racing size may be larger
      (if (i32.lt_u (memory.size) (i32.add (local.get $at) (local.get $n))) (then (call $exit (i32.const 2))))
      (loop $page
        ;; nobody was here before
        (if (i32.atomic.rmw.xchg (i32.mul (local.get $at) (i32.const 65536)) (i32.add (local.get $who) (i32.const 1))) (then (call $exit (i32.const 3))))
        (if (i64.ne (i64.load (i32.add (i32.mul (local.get $at) (i32.const 65536)) (i32.const 65528))) (i64.const 0)) (then (call $exit (i32.const 4))))
        (i64.store (i32.add (i32.mul (local.get $at) (i32.const 65536)) (i32.const 65528)) (i64.const -1))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $page (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60)))))
  (func (export "wasi_thread_start") (param i32 i32)
    (call $grow (local.get 1))
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const 1))))
  (func (export "_start") (local $i i32) (local $have i32)
    (loop $l
      (drop (call $spawn (local.get $i)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 7))))
    (call $grow (i32.const 7))
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 4)))
      (if (i32.ne (local.get $have) (i32.const 7)) (then
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $have) (i64.const -1))) (br $l))))
    (if (i32.ne (memory.size) (i32.const 961)) (then (call $exit (i32.const 5)))) ;; 1 + 8 threads × 60 × 2
    (if (i32.ne (memory.grow (i32.const 40)) (i32.const -1)) (then (call $exit (i32.const 6))))
    (if (i32.ne (memory.grow (i32.const 39)) (i32.const 961)) (then (call $exit (i32.const 7))))
    (call $exit (i32.const 22))))
