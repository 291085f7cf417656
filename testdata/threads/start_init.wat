;; Linkers' way to initialise a shared memory once: of all threads that come to it at the same time the first one does it, the others wait
;; in their start functions for it. Every one keeps the segment for its own thread-local variables.
;; ends: exit 22
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (data $data "initialised!") (data $tls "mine")
  ;; 0 counts start functions; 4 is the linker's flag; 8 counts initialisations; 12 those that waited; 16 the threads that are through; 64 the data
  (func $start (local $n i32)
    (if (i32.eqz (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (then (return))) ;; not the main thread, so that others meet
    (if (i32.eqz (i32.atomic.rmw.cmpxchg (i32.const 4) (i32.const 0) (i32.const 1)))
      (then
        (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1)))
        (loop $l (drop (call $yield)) (br_if $l (i32.lt_u (i32.atomic.load (i32.const 0)) (i32.const 11)))) ;; all are here
        (memory.init $data (i32.const 64) (i32.const 0) (i32.const 12))
        (i32.atomic.store (i32.const 4) (i32.const 2))
        (drop (memory.atomic.notify (i32.const 4) (i32.const -1))))
      (else
        (drop (memory.atomic.wait32 (i32.const 4) (i32.const 1) (i64.const -1)))
        (drop (i32.atomic.rmw.add (i32.const 12) (i32.const 1)))))
    (data.drop $data))
  (start $start)
  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (if (i32.ne (i32.load (i32.const 72)) (i32.const 0x21646573)) (then (call $exit (i32.const 1))))
    (memory.init $tls (i32.add (i32.const 256) (local.get $arg)) (i32.const 0) (i32.const 4))
    (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 16) (i32.const 1))))
  (func (export "_start") (local $i i32) (local $have i32)
    (loop $l
      (drop (call $spawn (i32.mul (local.get $i) (i32.const 8))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 16)))
      (if (i32.ne (local.get $have) (i32.const 10)) (then
        (drop (memory.atomic.wait32 (i32.const 16) (local.get $have) (i64.const -1))) (br $l))))
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 1)) (then (call $exit (i32.const 2))))
    (if (i32.ne (i32.load (i32.const 12)) (i32.const 9)) (then (call $exit (i32.const 3))))
    (call $exit (i32.const 22))))
