;; Exceptions that carry objects, through many frames, kept and thrown again.
(module
  (type $trace (struct (field $level i32) (field $below (ref null $trace))))
  (type $box (struct (field $value i32)))
  (type $exns (array (mut exnref)))
  (tag $trouble (param (ref $trace)))
  (tag $numbers (param i32 (ref null $box) i64 anyref))
  (global $kept (mut exnref) (ref.null exn))
  (table $waiting 16 exnref)

  (func $mix (param $h i64) (param $x i64) (result i64)
    (local.set $h (i64.mul (i64.xor (local.get $h) (local.get $x)) (i64.const 0x9E3779B97F4A7C15)))
    (i64.xor (local.get $h) (i64.shr_u (local.get $h) (i64.const 29))))

  (func $churn (param $n i32)
    (loop $again
      (drop (struct.new $box (local.get $n)))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0)))))

  ;; fail throws from a depth; each third level catches, adds itself to the trace, and throws on.
  (func $fail (param $depth i32)
    (local $t (ref $trace)) (local $mine (ref $box))
    (local.set $mine (struct.new $box (local.get $depth)))
    (if (i32.eqz (local.get $depth))
      (then (throw $trouble (struct.new $trace (i32.const 0) (ref.null none)))))
    (if (i32.rem_u (local.get $depth) (i32.const 3))
      (then (call $fail (i32.sub (local.get $depth) (i32.const 1))))
      (else
        (local.set $t
          (block $caught (result (ref $trace))
            (try_table (catch $trouble $caught)
              (call $fail (i32.sub (local.get $depth) (i32.const 1))))
            (unreachable)))
        (throw $trouble (struct.new $trace (struct.get $box $value (local.get $mine)) (local.get $t))))))

  (func (export "unwind") (param $depth i32) (param $times i32) (result i64)
    (local $t (ref null $trace)) (local $h i64)
    (loop $again
      (local.set $t
        (block $caught (result (ref $trace))
          (try_table (catch $trouble $caught) (call $fail (local.get $depth)))
          (unreachable)))
      (block $end
        (loop $next
          (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (struct.get $trace $level (br_on_null $end (local.get $t))))))
          (local.set $t (struct.get $trace $below (local.get $t)))
          (br $next)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $h))

  (func $throwNumbers (param $i i32)
    (throw $numbers
      (local.get $i)
      (if (result (ref null $box)) (i32.and (local.get $i) (i32.const 1))
        (then (struct.new $box (i32.mul (local.get $i) (i32.const 3))))
        (else (ref.null none)))
      (i64.mul (i64.extend_i32_s (local.get $i)) (i64.const 0x100000001))
      (ref.i31 (local.get $i))))

  ;; catchRef returns what a call of $throwNumbers throws.
  (func $catchRef (param $i i32) (result exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throwNumbers (local.get $i)))
      (unreachable)))

  ;; look throws an exception again and sums up what it carries.
  (func $look (param $h i64) (param $e exnref) (result i64)
    (local $any anyref) (local $long i64) (local $box (ref null $box)) (local $i i32)
    (block $caught (result i32 (ref null $box) i64 anyref)
      (try_table (catch $numbers $caught) (throw_ref (local.get $e)))
      (unreachable))
    (local.set $any)
    (local.set $long)
    (local.set $box)
    (local.set $i)
    (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (local.get $i))))
    (if (i32.eqz (ref.is_null (local.get $box)))
      (then (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (struct.get $box $value (local.get $box)))))))
    (local.set $h (call $mix (local.get $h) (local.get $long)))
    (call $mix (local.get $h) (i64.extend_i32_s (i31.get_s (ref.cast (ref i31) (local.get $any))))))

  ;; keep holds on to exceptions, in a global, a table, an array and a local, while garbage is made.
  (func (export "keep") (param $n i32) (result i64)
    (local $i i32) (local $h i64) (local $mine exnref) (local $list (ref $exns))
    (local.set $list (array.new_default $exns (i32.const 8)))
    (loop $again
      (local.set $mine (call $catchRef (local.get $i)))
      (global.set $kept (call $catchRef (i32.add (local.get $i) (i32.const 100))))
      (table.set $waiting (i32.and (local.get $i) (i32.const 15)) (call $catchRef (i32.add (local.get $i) (i32.const 200))))
      (array.set $exns (local.get $list) (i32.and (local.get $i) (i32.const 7)) (call $catchRef (i32.add (local.get $i) (i32.const 300))))
      (call $churn (i32.const 100))
      (local.set $h (call $look (local.get $h) (local.get $mine)))
      (local.set $h (call $look (local.get $h) (global.get $kept)))
      (local.set $h (call $look (local.get $h) (table.get $waiting (i32.shr_u (i32.and (local.get $i) (i32.const 15)) (i32.const 1)))))
      (local.set $h (call $look (local.get $h) (array.get $exns (local.get $list) (i32.shr_u (i32.and (local.get $i) (i32.const 7)) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $h))

  ;; escape ends with an exception that nobody catches.
  (func (export "escape") (param $n i32) (result i64)
    (call $throwNumbers (local.get $n))
    (i64.const 0))

  ;; through catches everything at each level by reference and throws it on, which keeps what it carries.
  (func $through (param $depth i32) (param $i i32)
    (local $b (ref $box))
    (local.set $b (struct.new $box (local.get $depth)))
    (if (i32.eqz (local.get $depth)) (then (call $throwNumbers (local.get $i))))
    (throw_ref
      (block $caught (result exnref)
        (try_table (catch_all_ref $caught)
          (call $through (i32.sub (struct.get $box $value (local.get $b)) (i32.const 1)) (local.get $i)))
        (unreachable))))
  (func (export "through") (param $depth i32) (param $times i32) (result i64)
    (local $h i64) (local $e exnref)
    (loop $again
      (local.set $e
        (block $caught (result exnref)
          (try_table (catch_all_ref $caught) (call $through (local.get $depth) (local.get $times)))
          (unreachable)))
      (local.set $h (call $look (local.get $h) (local.get $e)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $h)))
