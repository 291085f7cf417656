;; The guest of the fork table. Its memory has {{BYTES}} bytes, all of its pages written before it asks for the first time what to do.
;;
;; An answer of next: 0, nothing; n, write to n pages of 4 KiB, the ones behind the last that were written to; bit 16, begin at the first
;; page; -1-n, write to n pages and end.
(module
  (import "bench" "next" (func $next (result i32)))
  (memory (export "memory") {{LIMITS}})
  (global $at (mut i32) (i32.const 0))

  (func $write (param $n i32)
    (if (i32.eqz (local.get $n)) (then (return)))
    (loop $page
      (i32.store (global.get $at) (i32.add (i32.load (global.get $at)) (i32.const 1)))
      (global.set $at (i32.rem_u (i32.add (global.get $at) (i32.const 4096)) (i32.const {{BYTES}})))
      (br_if $page (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  (func $obey (local $n i32)
    (loop $again
      (local.set $n (call $next))
      (if (i32.lt_s (local.get $n) (i32.const 0)) (then
        (call $write (i32.sub (i32.const -1) (local.get $n)))
        (return)))
      (if (i32.and (local.get $n) (i32.const 0x10000)) (then (global.set $at (i32.const 0))))
      (call $write (i32.and (local.get $n) (i32.const 0xffff)))
      (br $again)))

  (func (export "_start")
    (call $write (i32.div_u (i32.const {{BYTES}}) (i32.const 4096)))
    (call $obey))
  (func (export "wasi_thread_start") (param i32 i32) (call $obey)))
