;; Keeps every hundredth of the nodes that it makes.
(module
  (type $node (struct (field i64 i64) (field (ref null $node))))
  (func $make (export "make") (param $n i32) (result i32)
    (local $l (ref null $node)) (local $i i32) (local $kept i32)
    (loop $more
      (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 100)))
        (then
          (local.set $l (struct.new $node (i64.const 1) (i64.const 2) (local.get $l)))
          (local.set $kept (i32.add (local.get $kept) (i32.const 1))))
        (else (drop (struct.new $node (i64.const 1) (i64.const 2) (local.get $l)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $kept))
  (func (export "_start") (drop (call $make (i32.const 300000)))))
