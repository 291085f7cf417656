;; A graph whose nodes are replaced and rewired at random: old objects point at young ones and the other way round, cycles come
;; and go.
(module
  (rec
    (type $node (struct (field $id i32) (field $stamp (mut i32)) (field $edges (mut (ref $edges)))))
    (type $edges (array (mut (ref null $node)))))

  (global $seed (mut i32) (i32.const 0))
  (global $nodes (mut i32) (i32.const 0)) ;; made so far: the next one's id

  (func $mix (param $h i64) (param $x i64) (result i64)
    (local.set $h (i64.mul (i64.xor (local.get $h) (local.get $x)) (i64.const 0x9E3779B97F4A7C15)))
    (i64.xor (local.get $h) (i64.shr_u (local.get $h) (i64.const 29))))

  ;; rand returns a number below n.
  (func $rand (param $n i32) (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
    (i32.rem_u (i32.shr_u (global.get $seed) (i32.const 8)) (local.get $n)))

  (func $new (param $degree i32) (result (ref $node))
    (global.set $nodes (i32.add (global.get $nodes) (i32.const 1)))
    (struct.new $node (global.get $nodes) (i32.const 0) (array.new_default $edges (local.get $degree))))

  ;; walk follows edges from a node and leaves stamps, which later walks see.
  (func $walk (param $h i64) (param $at (ref null $node)) (param $steps i32) (result i64)
    (local $x (ref $node)) (local $e (ref $edges))
    (block $end
      (loop $next
        (local.set $x (br_on_null $end (local.get $at)))
        (struct.set $node $stamp (local.get $x) (i32.add (struct.get $node $stamp (local.get $x)) (i32.const 1)))
        (local.set $h (call $mix (local.get $h)
          (i64.extend_i32_s (i32.add (i32.mul (struct.get $node $id (local.get $x)) (i32.const 7)) (struct.get $node $stamp (local.get $x))))))
        (local.set $e (struct.get $node $edges (local.get $x)))
        (br_if $end (i32.eqz (array.len (local.get $e))))
        (local.set $at
          (array.get $edges (local.get $e) (i32.rem_u (i32.add (local.get $steps) (struct.get $node $stamp (local.get $x))) (array.len (local.get $e)))))
        (br_if $next (local.tee $steps (i32.sub (local.get $steps) (i32.const 1))))))
    (local.get $h))

  ;; mutate changes a graph of n nodes in the given number of steps. The order of calls of $rand is part of the result.
  (func (export "mutate") (param $n i32) (param $steps i32) (result i64)
    (local $all (ref $edges)) (local $i i32) (local $h i64) (local $x (ref null $node)) (local $y (ref null $node))
    (local $e (ref $edges)) (local $f (ref $edges)) (local $slot i32) (local $op i32)
    (global.set $seed (local.get $n))
    (global.set $nodes (i32.const 0))
    (local.set $all (array.new_default $edges (local.get $n)))
    (loop $make
      (array.set $edges (local.get $all) (local.get $i) (call $new (i32.add (i32.const 1) (i32.and (local.get $i) (i32.const 7)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $make (i32.lt_u (local.get $i) (local.get $n))))
    (loop $step
      (local.set $i (call $rand (local.get $n)))
      (local.set $x (array.get $edges (local.get $all) (local.get $i)))
      (local.set $e (struct.get $node $edges (local.get $x)))
      (local.set $slot (call $rand (array.len (local.get $e))))
      (local.set $op (call $rand (i32.const 8)))
      (block $done
        (block $other (block $longer (block $share (block $walk (block $cut (block $replace (block $fresh (block $link
          (br_table $link $link $fresh $replace $cut $walk $share $longer $other (local.get $op)))
          ;; link: an edge to any node
          (array.set $edges (local.get $e) (local.get $slot) (array.get $edges (local.get $all) (call $rand (local.get $n))))
          (br $done))
          ;; fresh: an edge to a new node that points back and on
          (local.set $y (call $new (i32.const 2)))
          (array.set $edges (struct.get $node $edges (local.get $y)) (i32.const 0) (local.get $x))
          (array.set $edges (struct.get $node $edges (local.get $y)) (i32.const 1) (array.get $edges (local.get $e) (local.get $slot)))
          (array.set $edges (local.get $e) (local.get $slot) (local.get $y))
          (br $done))
          ;; replace: a new node in the place of an old one, with edges like it
          (local.set $y (call $new (array.len (local.get $e))))
          (array.copy $edges $edges (struct.get $node $edges (local.get $y)) (i32.const 0)
            (local.get $e) (i32.const 0) (array.len (local.get $e)))
          (array.set $edges (local.get $all) (local.get $i) (local.get $y))
          (br $done))
          ;; cut: an edge goes
          (array.set $edges (local.get $e) (local.get $slot) (ref.null none))
          (br $done))
          ;; walk
          (local.set $h (call $walk (local.get $h) (local.get $x) (i32.const 12)))
          (br $done))
          ;; share: two nodes have the same edges from now on
          (local.set $y (array.get $edges (local.get $all) (call $rand (local.get $n))))
          (struct.set $node $edges (local.get $y) (local.get $e))
          (br $done))
          ;; longer: edges with one more place, up to 12
          (br_if $done (i32.ge_u (array.len (local.get $e)) (i32.const 12)))
          (local.set $f (array.new $edges (local.get $x) (i32.add (array.len (local.get $e)) (i32.const 1))))
          (array.copy $edges $edges (local.get $f) (i32.const 1) (local.get $e) (i32.const 0) (array.len (local.get $e)))
          (struct.set $node $edges (local.get $x) (local.get $f))
          (br $done))
        ;; other: all edges become the same one
        (array.fill $edges (local.get $e) (i32.const 0) (array.get $edges (local.get $e) (local.get $slot)) (array.len (local.get $e))))
      (br_if $step (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))))
    ;; The whole graph, as far as walks from each node come.
    (local.set $i (i32.const 0))
    (loop $each
      (local.set $h (call $walk (local.get $h) (array.get $edges (local.get $all) (local.get $i)) (i32.const 5)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (local.get $n))))
    (call $mix (local.get $h) (i64.extend_i32_u (global.get $nodes)))))
