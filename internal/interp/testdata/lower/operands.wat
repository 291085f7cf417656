;; Operands stay in locals and constants until something needs them; results go straight to the local that is set.
(module
  (memory 1)
  (global $sp (mut i32) (i32.const 1024))
  (func $fold (param $a i32) (param $b i32) (result i32) (local $c i32)
    (local.set $c (i32.mul (i32.add (local.get $a) (i32.const 4)) (local.get $b)))
    (i32.store offset=8 (i32.add (local.get $c) (i32.const 16)) (local.get $a))
    (i32.load (i32.add (local.get $a) (i32.shl (local.get $c) (i32.const 2)))))
  ;; an assignment saves the operand that still lives in the local
  (func $save (param $a i32) (result i32)
    (local.get $a)
    (local.set $a (i32.const 7))
    (i32.sub (local.get $a)))
  (func $wrap (param $a i64) (result i32)
    (i32.load (i32.wrap_i64 (i64.add (local.get $a) (i64.const 8)))))
  (func $prologue (result i32) (local $fp i32)
    (global.set $sp (local.tee $fp (i32.sub (global.get $sp) (i32.const 32))))
    (local.get $fp)))
