;; Lists that are as deep as the heap is large: whoever follows references by recursion, or with a queue of fixed size, does not
;; survive them.
(module
  (type $node (struct (field $value i32) (field $next (mut (ref null $node)))))
  (type $leaf (struct (field i32)))
  (type $spine (struct (field $left (ref $leaf)) (field $next (mut (ref null $spine))) (field $right (ref $leaf))))
  (type $nested (array (mut (ref null $nested))))

  ;; What the lists hang on while garbage is made.
  (global $list (mut (ref null $node)) (ref.null none))
  (global $nest (mut (ref null $nested)) (ref.null none))

  (func $mix (param $h i64) (param $x i64) (result i64)
    (local.set $h (i64.mul (i64.xor (local.get $h) (local.get $x)) (i64.const 0x9E3779B97F4A7C15)))
    (i64.xor (local.get $h) (i64.shr_u (local.get $h) (i64.const 29))))

  ;; churn makes garbage.
  (func $churn (param $n i32)
    (loop $again
      (drop (struct.new $leaf (local.get $n)))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0)))))

  (func $sum (param $l (ref null $node)) (result i64)
    (local $h i64)
    (block $end
      (loop $next
        (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (struct.get $node $value (br_on_null $end (local.get $l))))))
        (local.set $l (struct.get $node $next (local.get $l)))
        (br $next)))
    (local.get $h))

  ;; prepend makes a list from its end: each new node points at an older one.
  (func (export "prepend") (param $n i32) (result i64)
    (local $h i64)
    (loop $more
      (global.set $list (struct.new $node (local.get $n) (global.get $list)))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $churn (i32.const 100000))
    (local.set $h (call $sum (global.get $list)))
    (global.set $list (ref.null none))
    (local.get $h))

  ;; append makes a list from its start: each old node is made to point at a new one.
  (func (export "append") (param $n i32) (result i64)
    (local $tail (ref $node)) (local $new (ref $node)) (local $i i32) (local $h i64)
    (local.set $tail (struct.new $node (i32.const 0) (ref.null none)))
    (global.set $list (local.get $tail))
    (loop $more
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (local.set $new (struct.new $node (local.get $i) (ref.null none)))
      (struct.set $node $next (local.get $tail) (local.get $new))
      (local.set $tail (local.get $new))
      (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
    (call $churn (i32.const 100000))
    (local.set $h (call $sum (global.get $list)))
    (global.set $list (ref.null none))
    (local.get $h))

  ;; reverse turns a list round in place, over and over, with garbage in between.
  (func (export "reverse") (param $n i32) (param $times i32) (result i64)
    (local $l (ref null $node)) (local $r (ref null $node)) (local $next (ref null $node)) (local $i i32)
    (loop $more
      (local.set $l (struct.new $node (local.get $i) (local.get $l)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
    (loop $again
      (local.set $r (ref.null none))
      (block $end
        (loop $node
          (local.set $next (struct.get $node $next (br_on_null $end (local.get $l))))
          (struct.set $node $next (local.get $l) (local.get $r))
          (local.set $r (local.get $l))
          (local.set $l (local.get $next))
          (br $node)))
      (local.set $l (local.get $r))
      (call $churn (local.get $n))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (call $sum (local.get $l)))

  ;; spine makes a list in which each node has two leaves of its own, one before and one after the link.
  (func (export "spine") (param $n i32) (result i64)
    (local $s (ref null $spine)) (local $h i64)
    (loop $more
      (local.set $s
        (struct.new $spine
          (struct.new $leaf (local.get $n))
          (local.get $s)
          (struct.new $leaf (i32.mul (local.get $n) (i32.const 3)))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $churn (i32.const 100000))
    (block $end
      (loop $next
        (local.set $h (call $mix (local.get $h)
          (i64.extend_i32_s
            (i32.add
              (struct.get $leaf 0 (struct.get $spine $left (br_on_null $end (local.get $s))))
              (struct.get $leaf 0 (struct.get $spine $right (local.get $s)))))))
        (local.set $s (struct.get $spine $next (local.get $s)))
        (br $next)))
    (local.get $h))

  ;; nested makes arrays in arrays: the i-th is the last element of one of (i & 3) + 1.
  (func (export "nested") (param $n i32) (result i64)
    (local $a (ref $nested)) (local $x (ref null $nested)) (local $i i32) (local $h i64)
    (global.set $nest (ref.null none))
    (loop $more
      (local.set $a (array.new_default $nested (i32.add (i32.and (local.get $i) (i32.const 3)) (i32.const 1))))
      (array.set $nested (local.get $a) (i32.and (local.get $i) (i32.const 3)) (global.get $nest))
      (global.set $nest (local.get $a))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
    (call $churn (i32.const 100000))
    (local.set $x (global.get $nest))
    (block $end
      (loop $next
        (local.set $i (array.len (br_on_null $end (local.get $x))))
        (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (local.get $i))))
        (local.set $x (array.get $nested (local.get $x) (i32.sub (local.get $i) (i32.const 1))))
        (br $next)))
    (global.set $nest (ref.null none))
    (local.get $h)))
