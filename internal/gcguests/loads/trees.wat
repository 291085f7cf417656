;; Binary trees: many of them die young while one stays, the classic load of collectors.
(module
  (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree))))

  (func $make (param $depth i32) (result (ref $tree))
    (if (result (ref $tree)) (i32.eqz (local.get $depth))
      (then (struct.new_default $tree))
      (else
        (struct.new $tree
          (call $make (i32.sub (local.get $depth) (i32.const 1)))
          (call $make (i32.sub (local.get $depth) (i32.const 1)))))))

  (func $count (param $t (ref null $tree)) (result i32)
    (local $x (ref $tree))
    (block $none
      (local.set $x (br_on_null $none (local.get $t)))
      (return
        (i32.add
          (i32.add (i32.const 1) (call $count (struct.get $tree $left (local.get $x))))
          (call $count (struct.get $tree $right (local.get $x))))))
    (i32.const 0))

  ;; trees makes and counts trees of depths up to n, and returns the number of all their nodes.
  (func (export "trees") (param $n i32) (result i64)
    (local $long (ref $tree)) (local $depth i32) (local $i i32) (local $sum i64)
    (local.set $sum (i64.extend_i32_u (call $count (call $make (i32.add (local.get $n) (i32.const 1))))))
    (local.set $long (call $make (local.get $n)))
    (local.set $depth (i32.const 4))
    (block $done
      (loop $depths
        (br_if $done (i32.gt_s (local.get $depth) (local.get $n)))
        (local.set $i (i32.shl (i32.const 1) (i32.add (i32.sub (local.get $n) (local.get $depth)) (i32.const 4))))
        (loop $again
          (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $count (call $make (local.get $depth))))))
          (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
        (br $depths)))
    (i64.add (local.get $sum) (i64.extend_i32_u (call $count (local.get $long))))))
