;; Each export makes a list of n nodes with the values 1 to n, leaves the only reference to it in a place of one kind, allocates, and returns the
;; sum of what is there then. churn is where collections come.
(module
  (type $node (sub (struct (field $v (mut i32)) (field $next (mut (ref null $node))))))
  (type $box (struct (field $x (mut exnref)) (field $h (mut anyref))))
  (type $row (array (mut (ref null $node))))
  (type $exns (array (mut exnref)))
  (type $bytes (array (mut i8)))
  (import "host" "keep" (func $keep (param anyref)))         ;; by a handle
  (import "host" "kept" (func $kept (result anyref)))        ;; back from there
  (import "host" "pass" (func $pass (param anyref) (result anyref))) ;; calls churn, and returns its argument
  (import "host" "passexn" (func $passexn (param exnref) (result exnref)))
  (import "host" "value" (func $value (param i32) (result externref)))
  (import "host" "number" (func $number (param externref) (result i32)))
  (tag $t (param i32 (ref null $node)))

  (global $g (mut (ref null $node)) (ref.null $node))
  (global $const (ref $node) (struct.new $node (i32.const 1) (struct.new $node (i32.const 2) (struct.new $node (i32.const 3) (ref.null $node)))))
  (global $again (ref $node) (struct.new $node (i32.const 4) (global.get $const)))
  (global $exn (mut exnref) (ref.null exn))
  (table $tab 3 (ref null $node))
  (table $filled 4 (ref null $node) (struct.new $node (i32.const 5) (struct.new $node (i32.const 10) (ref.null $node))))
  (elem $passive (ref null $node) (item (global.get $again)) (item (struct.new $node (i32.const 6) (ref.null $node))))
  (elem (table $filled) (i32.const 1) (ref null $node) (item (struct.new $node (i32.const 7) (ref.null $node))))

  (func $churn (export "churn")
    (local $i i32) (local $l (ref null $node))
    (loop $more
      (local.set $l (struct.new $node (i32.const 1000) (local.get $l)))
      (drop (array.new_default $bytes (i32.const 100)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 12)))))

  (func $list (param $n i32) (result (ref null $node))
    (local $l (ref null $node))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $l (struct.new $node (local.get $n) (local.get $l)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $more)))
    (local.get $l))

  (func $sum (param $l (ref null $node)) (result i32)
    (local $s i32)
    (block $done
      (loop $more
        (br_if $done (ref.is_null (local.get $l)))
        (local.set $s (i32.add (local.get $s) (struct.get $node $v (local.get $l))))
        (local.set $l (struct.get $node $next (local.get $l)))
        (br $more)))
    (local.get $s))

  (func $any (param $l anyref) (result i32)
    (call $sum (ref.cast (ref null $node) (local.get $l))))

  (func (export "locals") (param $n i32) (result i32)
    (local $l (ref null $node))
    (local.set $l (call $list (local.get $n)))
    (call $churn)
    (call $sum (local.get $l)))

  ;; operands below a call, at each depth
  (func $deep (export "operands") (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (call $churn) (return (i32.const 0))))
    (struct.new $node (local.get $n) (ref.null $node))
    (call $deep (i32.sub (local.get $n) (i32.const 1)))
    (i32.add (call $swap)))
  (func $swap (param $l (ref $node)) (param $s i32) (result i32 i32)
    (local.get $s) (struct.get $node $v (local.get $l)))

  (func (export "global") (param $n i32) (result i32)
    (global.set $g (call $list (local.get $n)))
    (call $churn)
    (call $sum (global.get $g)))

  ;; 6, 10, 15 twice, 7
  (func (export "constants") (param i32) (result i32)
    (call $churn)
    (i32.add (call $sum (global.get $const))
      (i32.add (call $sum (global.get $again))
        (i32.add (call $sum (table.get $filled (i32.const 0)))
          (i32.add (call $sum (table.get $filled (i32.const 3))) (call $sum (table.get $filled (i32.const 1))))))))

  ;; 10 and 6
  (func (export "elements") (param i32) (result i32)
    (local $r (ref null $row))
    (call $churn)
    (local.set $r (array.new_elem $row $passive (i32.const 0) (i32.const 2)))
    (call $churn)
    (i32.add (call $sum (array.get $row (local.get $r) (i32.const 0))) (call $sum (array.get $row (local.get $r) (i32.const 1)))))

  (func (export "table") (param $n i32) (result i32)
    (table.set $tab (i32.const 1) (call $list (local.get $n)))
    (call $churn)
    (table.copy $tab $tab (i32.const 2) (i32.const 1) (i32.const 1))
    (table.set $tab (i32.const 1) (ref.null $node))
    (call $churn)
    (call $sum (table.get $tab (i32.const 2))))

  (func (export "array") (param $n i32) (result i32)
    (local $r (ref null $row))
    (local.set $r (array.new_default $row (i32.const 700)))
    (array.set $row (local.get $r) (i32.const 699) (call $list (local.get $n)))
    (call $churn)
    (call $sum (array.get $row (local.get $r) (i32.const 699))))

  ;; fields of an exception on its way
  (func (export "thrown") (param $n i32) (result i32)
    (block $catch (result i32 (ref null $node))
      (try_table (catch $t $catch) (call $thrower (local.get $n)))
      (unreachable))
    (call $churn)
    (call $sum) drop
    (drop)
    (block $catch2 (result i32 (ref null $node))
      (try_table (catch $t $catch2) (call $thrower (local.get $n)))
      (unreachable))
    (call $second))
  (func $second (param i32) (param $l (ref null $node)) (result i32) (call $churn) (call $sum (local.get $l)))
  (func $thrower (param $n i32) (throw $t (i32.const 1) (call $list (local.get $n))))

  ;; an exception that only a local, a global, a field or an element refers to
  (func $caught (param $n i32) (result exnref)
    (block $catch (result exnref)
      (try_table (catch_all_ref $catch) (call $thrower (local.get $n)))
      (unreachable)))
  (func $rethrown (param $x exnref) (result i32)
    (block $catch (result i32 (ref null $node))
      (try_table (catch $t $catch) (throw_ref (local.get $x)))
      (unreachable))
    (call $second))
  (func (export "exnlocal") (param $n i32) (result i32)
    (local $x exnref)
    (local.set $x (call $caught (local.get $n)))
    (call $churn)
    (call $rethrown (local.get $x)))
  (func (export "exnglobal") (param $n i32) (result i32)
    (global.set $exn (call $caught (local.get $n)))
    (call $churn)
    (call $rethrown (global.get $exn)))
  (func (export "exnfield") (param $n i32) (result i32)
    (local $b (ref null $box))
    (local.set $b (struct.new $box (call $caught (local.get $n)) (ref.null any)))
    (call $churn) (call $churn)
    (call $rethrown (struct.get $box $x (local.get $b))))
  (func (export "exnarray") (param $n i32) (result i32)
    (local $b (ref null $exns))
    (local.set $b (array.new $exns (call $caught (local.get $n)) (i32.const 3)))
    (call $churn) (call $churn)
    (call $rethrown (array.get $exns (local.get $b) (i32.const 2))))

  (func (export "exnargument") (param $n i32) (result i32)
    (call $rethrown (call $passexn (call $caught (local.get $n)))))

  ;; a host value that only a field refers to
  (func (export "hostfield") (param $n i32) (result i32)
    (local $b (ref null $box))
    (local.set $b (struct.new $box (ref.null exn) (any.convert_extern (call $value (local.get $n)))))
    (call $churn) (call $churn)
    (call $number (extern.convert_any (struct.get $box $h (local.get $b)))))

  (func (export "handle") (param $n i32) (result i32)
    (call $keep (call $list (local.get $n)))
    (call $churn)
    (call $any (call $kept)))

  (func (export "argument") (param $n i32) (result i32)
    (call $any (call $pass (call $list (local.get $n)))))

  (func (export "make") (param $n i32) (result anyref) (call $list (local.get $n)))
  (func (export "take") (param $l anyref) (result i32) (call $churn) (call $any (local.get $l)))
  (func (export "throws") (param $n i32) (call $thrower (local.get $n))))
