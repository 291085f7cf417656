;; A server that accepts on descriptor 3, and sends back what it gets, in capitals, piece by piece. "!" has it trap. Each connection is the first: it says so by its counter.
(module
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 2)
  (global $served (mut i32) (i32.const 48)) ;; '0'
  (func (export "_start") (local $fd i32) (local $i i32) (local $n i32)
    (loop $next
      (if (call $accept (i32.const 3) (i32.const 0) (i32.const 12)) (then unreachable))
      (local.set $fd (i32.load (i32.const 12)))
      (global.set $served (i32.add (global.get $served) (i32.const 1)))
      (i32.store8 (i32.const 64) (global.get $served))
      (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1))
      (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
      (block $end (loop $piece
        (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 4096))
        (br_if $end (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        (br_if $end (i32.eqz (local.tee $n (i32.load (i32.const 8)))))
        (if (i32.eq (i32.load8_u (i32.const 65536)) (i32.const 33)) (then unreachable))
        (local.set $i (i32.const 0))
        (loop $byte
          (i32.store8 (i32.add (i32.const 65536) (local.get $i)) (i32.and (i32.load8_u (i32.add (i32.const 65536) (local.get $i))) (i32.const 0xdf)))
          (br_if $byte (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (i32.store (i32.const 4) (local.get $n))
        (br_if $end (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        (br $piece)))
      (drop (call $close (local.get $fd)))
      (br $next))))
