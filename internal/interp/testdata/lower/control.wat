;; Comparisons are done by the branch; a loop ends in one instruction; a backward branch polls.
(module
  (func $loop (param $n i32) (result i32) (local $i i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (local.get $s) (local.get $i)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $s))
  (func $if (param $a i64) (param $b i64) (result i64)
    (if (result i64) (i64.lt_s (local.get $a) (local.get $b)) (then (local.get $a)) (else (i64.const 3))))
  (func $table (param $i i32) (result i32)
    (block $a (result i32) (block $b (result i32)
      (i32.const 5)
      (br_table $a $b $a (local.get $i)))
      (i32.add (i32.const 1))))
  (func $move (param $a i32) (result i32)
    (block $o (result i32)
      (i32.const 1) (i32.const 2)
      (br_if $o (local.get $a))
      (i32.add))))
