;; A thread that the guest spawns, with a stack from 8192 to 9216. Sixteen frames fit, a seventeenth does not. By the address that it gets
;; there is what the C library noted of it.
;; ends: trap stack overrun in linear memory
;; thread: 1
;; guest/pthread: upper end, variables, lower end.
;; each: (@custom "spindle.pthread" "\01") (global $__stack_pointer (mut i32) (i32.const 1024)) (func $note (i32.store (i32.const 9216) (i32.const 9216)) (i32.store (i32.const 9220) (i32.const 9300)) (i32.store (i32.const 9224) (i32.const 8192)))
;; each: (@custom "spindle.pthread" "\01") (global (mut i32) (i32.const 1024)) (func $note (i32.store (i32.const 9216) (i32.const 9216)) (i32.store (i32.const 9220) (i32.const 9300)) (i32.store (i32.const 9224) (i32.const 8192)))
;; wasi-libc: upper end and variables; and a descriptor among the variables with its own address, the block, and the upper end and size of the stack.
;; each: (global $__stack_pointer (mut i32) (i32.const 1024)) (func $note (i32.store (i32.const 9216) (i32.const 9216)) (i32.store (i32.const 9220) (i32.const 9232)) (i32.store (i32.const 9300) (i32.const 9300)) (i32.store (i32.const 9344) (i32.const 8192)) (i32.store (i32.const 9348) (i32.const 2048)) (i32.store (i32.const 9352) (i32.const 9216)) (i32.store (i32.const 9356) (i32.const 1024)))
;; each: (global (mut i32) (i32.const 1024)) (func $note (i32.store (i32.const 9216) (i32.const 9216)) (i32.store (i32.const 9220) (i32.const 9232)) (i32.store (i32.const 9232) (i32.const 9232)) (i32.store (i32.const 9264) (i32.const 8188)) (i32.store (i32.const 9268) (i32.const 2048)) (i32.store (i32.const 9272) (i32.const 9216)) (i32.store (i32.const 9276) (i32.const 1031)))
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "env" "memory" (memory 2 2 shared))
  (export "memory" (memory 0))
  (;EACH;)
  (func $down (param $n i32) (local $f i32)
    (global.set 0 (local.tee $f (i32.sub (global.get 0) (i32.const 64))))
    (i32.store (local.get $f) (local.get $n))
    (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)))))
    (if (i32.ne (i32.load (local.get $f)) (local.get $n)) (then (unreachable)))
    (global.set 0 (i32.add (local.get $f) (i32.const 64))))
  (global $__tls_base (mut i32) (i32.const 0))
  (func (export "wasi_thread_start") (param i32 i32)
    (global.set 0 (i32.load (local.get 1)))
    (global.set $__tls_base (i32.load offset=4 (local.get 1)))
    (call $down (i32.const 15))
    (call $down (i32.const 16)) (;OVERRUN;)
    (i32.atomic.store (i32.const 2000) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 2000) (i32.const 1))))
  (func (export "_start")
    (call $note)
    (call $down (i32.const 15))
    (if (i32.ne (call $spawn (i32.const 9216)) (i32.const 1)) (then (unreachable)))
    (loop $l
      (drop (memory.atomic.wait32 (i32.const 2000) (i32.const 0) (i64.const -1)))
      (br_if $l (i32.eqz (i32.atomic.load (i32.const 2000)))))))
