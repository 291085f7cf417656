;; Atomic accesses are sequentially consistent. Two threads store to a cell each and then load the other's: not both can miss the other's store.
;; Two more load both cells, in opposite order: they agree on which store came first. In lockstep, 500 times.
;; ends: exit 22
;; each: (i32.atomic.store (local.get 0) (local.get 1))
;; each: (drop (i32.atomic.rmw.xchg (local.get 0) (local.get 1)))
;; each: (drop (i32.atomic.rmw.cmpxchg (local.get 0) (i32.sub (local.get 1) (i32.const 1)) (local.get 1)))
;; each: (i64.atomic.store (local.get 0) (i64.extend_i32_u (local.get 1)))
;; each: (i32.store (local.get 0) (local.get 1)) (atomic.fence)
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "foo" "bar" (memory 4 4 shared))
  (export "memory" (memory 0))
  ;; 0 counts arrivals; 64 threads that are through; 128 and 256 the cells, which hold the number of the round; from 65536 on, for each
  ;; round, what the threads loaded: one word each of 0 and 1, two words each of 2 and 3
  (func $store (param i32 i32) (;EACH;))
  (func $run (param $me i32) (local $i i32) (local $to i32) (local $spins i32) (local $have i32) (local $a i32) (local $b i32)
    (local.set $to (i32.add (i32.const 65536) (i32.mul (local.get $me) (i32.const 8))))
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.eq (i32.add (i32.atomic.rmw.add (i32.const 0) (i32.const 1)) (i32.const 1)) (i32.mul (local.get $i) (i32.const 4)))
        (then (drop (memory.atomic.notify (i32.const 0) (i32.const -1)))))
      ;; They start together if they all run; on few processors somebody has to make room.
      (local.set $spins (i32.const 0))
      (loop $w
        (if (i32.lt_u (local.tee $have (i32.atomic.load (i32.const 0))) (i32.mul (local.get $i) (i32.const 4))) (then
          (if (i32.gt_u (local.tee $spins (i32.add (local.get $spins) (i32.const 1))) (i32.const 300))
            (then (drop (memory.atomic.wait32 (i32.const 0) (local.get $have) (i64.const -1)))))
          (br $w))))
      (block $done (block $three (block $two (block $one (block $zero
        (br_table $zero $one $two $three (local.get $me)))
        (call $store (i32.const 128) (local.get $i)) (local.set $a (i32.atomic.load (i32.const 256))) (br $done))
        (call $store (i32.const 256) (local.get $i)) (local.set $a (i32.atomic.load (i32.const 128))) (br $done))
        (local.set $a (i32.atomic.load (i32.const 128))) (local.set $b (i32.atomic.load (i32.const 256))) (br $done))
        (local.set $a (i32.atomic.load (i32.const 256))) (local.set $b (i32.atomic.load (i32.const 128))))
      (i32.store (local.get $to) (local.get $a)) (i32.store offset=4 (local.get $to) (local.get $b))
      (local.set $to (i32.add (local.get $to) (i32.const 32)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 500))))
    (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 64) (i32.const 1))))
  (func (export "wasi_thread_start") (param i32 i32) (call $run (local.get 1)))
  (func (export "_start") (local $i i32) (local $have i32) (local $at i32)
    (drop (call $spawn (i32.const 1))) (drop (call $spawn (i32.const 2))) (drop (call $spawn (i32.const 3)))
    (call $run (i32.const 0))
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 64)))
      (if (i32.ne (local.get $have) (i32.const 4)) (then
        (drop (memory.atomic.wait32 (i32.const 64) (local.get $have) (i64.const -1))) (br $l))))
    (local.set $at (i32.const 65536))
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.and (i32.lt_u (i32.load (local.get $at)) (local.get $i)) (i32.lt_u (i32.load offset=8 (local.get $at)) (local.get $i)))
        (then (call $exit (i32.const 1))))
      (if (i32.and
            (i32.and (i32.eq (i32.load offset=16 (local.get $at)) (local.get $i)) (i32.lt_u (i32.load offset=20 (local.get $at)) (local.get $i)))
            (i32.and (i32.eq (i32.load offset=24 (local.get $at)) (local.get $i)) (i32.lt_u (i32.load offset=28 (local.get $at)) (local.get $i))))
        (then (call $exit (i32.const 2))))
      ;; a load sees no store of the future, nor one from before the last
      (if (i32.gt_u (i32.sub (local.get $i) (i32.load (local.get $at))) (i32.const 1)) (then (call $exit (i32.const 3))))
      (local.set $at (i32.add (local.get $at) (i32.const 32)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 500))))
    (call $exit (i32.const 22))))
