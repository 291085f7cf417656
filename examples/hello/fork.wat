;; A guest that forks itself twice, which makes four processes:
;;
;;	spindle run examples/hello/fork.wat
;;
;; Each prints one letter. The first one prints a line end when its children are done; theirs are done before.
(module
  (import "spindle" "fork" (func $fork (param i32) (result i32)))
  (import "spindle" "wait" (func $wait (param i32 i32 i32) (result i32)))
  (import "spindle" "parent" (func $parent (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $print (param $char i32)
    (i32.store8 (i32.const 0) (local.get $char))
    (i32.store (i32.const 8) (i32.const 0))  ;; a vector: where
    (i32.store (i32.const 12) (i32.const 1)) ;; and how much
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func (export "_start") (local $char i32)
    (local.set $char (i32.const 97)) ;; 'a'
    (if (i32.eqz (call $fork (i32.const 0)))
      (then (local.set $char (i32.add (local.get $char) (i32.const 1)))))
    (if (i32.eqz (call $fork (i32.const 0)))
      (then (local.set $char (i32.add (local.get $char) (i32.const 2)))))
    (call $print (local.get $char))
    ;; Until there is none: an error is negative.
    (loop $all
      (br_if $all (i32.gt_s (call $wait (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0))))
    (if (i32.eqz (call $parent))
      (then (call $print (i32.const 10))))))
