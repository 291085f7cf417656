;; A generator of numbers that is different in every child, although its state is copied:
;;
;;	spindle run examples/hello/forkhook.wat
;;
;; Each of three children prints one letter. Without the hook all would print the same one.
(module
  (import "spindle" "fork" (func $fork (param i32) (result i32)))
  (import "spindle" "wait" (func $wait (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $state (mut i32) (i32.const 12345))
  (func $next (result i32)
    (global.set $state (i32.add (i32.mul (global.get $state) (i32.const 1103515245)) (i32.const 12345)))
    (i32.shr_u (global.get $state) (i32.const 16)))
  ;; Called in each child before anything else of it. 0 acknowledges; with anything else there is no child.
  (func (export "spindle_fork_child") (param $generation i64) (param $threads i32) (result i32)
    (if (call $random (i32.const 64) (i32.const 4)) (then (return (i32.const 1))))
    (global.set $state (i32.load (i32.const 64)))
    (i32.const 0))
  (func $print (param $char i32)
    (i32.store8 (i32.const 0) (local.get $char))
    (i32.store (i32.const 8) (i32.const 0))  ;; a vector: where
    (i32.store (i32.const 12) (i32.const 1)) ;; and how much
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func (export "_start") (local $i i32)
    (loop $again
      (if (i32.eqz (call $fork (i32.const 0)))
        (then
          (call $print (i32.add (i32.const 97) (i32.rem_u (call $next) (i32.const 26))))
          (return)))
      (drop (call $wait (i32.const 0) (i32.const 0) (i32.const 0)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
    (call $print (i32.const 10))))
