;; Strings as arrays of i8 and i16, and a hash map of them that grows, with collisions on demand.
(module
  (type $bytes (array (mut i8)))
  (type $units (array (mut i16)))
  (rec
    (type $entry (struct
      (field $key (ref $bytes)) (field $hash i32) (field $value (mut i64)) (field $next (mut (ref null $entry)))))
    (type $buckets (array (mut (ref null $entry))))
    (type $map (struct
      (field $buckets (mut (ref $buckets))) (field $count (mut i32))
      ;; Hashes are masked with this: with few bits, chains are long.
      (field $bits i32))))
  (data $prefix "key:")

  (func $mix (param $h i64) (param $x i64) (result i64)
    (local.set $h (i64.mul (i64.xor (local.get $h) (local.get $x)) (i64.const 0x9E3779B97F4A7C15)))
    (i64.xor (local.get $h) (i64.shr_u (local.get $h) (i64.const 29))))

  ;; key is "key:" and the digits of n, the last one first.
  (func $key (param $n i32) (result (ref $bytes))
    (local $buf (ref $bytes)) (local $len i32) (local $out (ref $bytes))
    (local.set $buf (array.new_default $bytes (i32.const 16)))
    (array.init_data $bytes $prefix (local.get $buf) (i32.const 0) (i32.const 0) (i32.const 4))
    (local.set $len (i32.const 4))
    (loop $digit
      (array.set $bytes (local.get $buf) (local.get $len)
        (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $len (i32.add (local.get $len) (i32.const 1)))
      (br_if $digit (local.tee $n (i32.div_u (local.get $n) (i32.const 10)))))
    (local.set $out (array.new_default $bytes (local.get $len)))
    (array.copy $bytes $bytes (local.get $out) (i32.const 0) (local.get $buf) (i32.const 0) (local.get $len))
    (local.get $out))

  ;; hash is FNV-1a.
  (func $hash (param $s (ref $bytes)) (result i32)
    (local $h i32) (local $i i32)
    (local.set $h (i32.const 0x811C9DC5))
    (loop $next
      (if (i32.lt_u (local.get $i) (array.len (local.get $s)))
        (then
          (local.set $h
            (i32.mul
              (i32.xor (local.get $h) (array.get_u $bytes (local.get $s) (local.get $i)))
              (i32.const 0x01000193)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next))))
    (local.get $h))

  (func $equal (param $a (ref $bytes)) (param $b (ref $bytes)) (result i32)
    (local $i i32)
    (if (ref.eq (local.get $a) (local.get $b)) (then (return (i32.const 1))))
    (if (i32.ne (array.len (local.get $a)) (array.len (local.get $b))) (then (return (i32.const 0))))
    (loop $next
      (if (i32.eq (local.get $i) (array.len (local.get $a))) (then (return (i32.const 1))))
      (if (i32.ne
            (array.get_s $bytes (local.get $a) (local.get $i))
            (array.get_s $bytes (local.get $b) (local.get $i)))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next))
    (unreachable))

  (func $new (param $bits i32) (result (ref $map))
    (struct.new $map (array.new_default $buckets (i32.const 8)) (i32.const 0) (local.get $bits)))

  (func $index (param $buckets (ref $buckets)) (param $hash i32) (result i32)
    (i32.and (local.get $hash) (i32.sub (array.len (local.get $buckets)) (i32.const 1))))

  (func $find (param $m (ref $map)) (param $key (ref $bytes)) (param $hash i32) (result (ref null $entry))
    (local $e (ref null $entry)) (local $b (ref $buckets))
    (local.set $b (struct.get $map $buckets (local.get $m)))
    (local.set $e (array.get $buckets (local.get $b) (call $index (local.get $b) (local.get $hash))))
    (loop $chain
      (if (i32.eqz (ref.is_null (local.get $e)))
        (then
          (if (i32.eq (struct.get $entry $hash (local.get $e)) (local.get $hash))
            (then
              (if (call $equal (struct.get $entry $key (local.get $e)) (local.get $key))
                (then (return (local.get $e))))))
          (local.set $e (struct.get $entry $next (local.get $e)))
          (br $chain))))
    (ref.null $entry))

  ;; grow doubles the buckets and moves the entries over.
  (func $grow (param $m (ref $map))
    (local $old (ref $buckets)) (local $new (ref $buckets)) (local $i i32) (local $at i32)
    (local $e (ref null $entry)) (local $next (ref null $entry))
    (local.set $old (struct.get $map $buckets (local.get $m)))
    (local.set $new (array.new_default $buckets (i32.shl (array.len (local.get $old)) (i32.const 1))))
    (loop $bucket
      (local.set $e (array.get $buckets (local.get $old) (local.get $i)))
      (block $empty
        (loop $chain
          (br_on_null $empty (local.get $e))
          (drop)
          (local.set $next (struct.get $entry $next (local.get $e)))
          (local.set $at (call $index (local.get $new) (struct.get $entry $hash (local.get $e))))
          (struct.set $entry $next (local.get $e) (array.get $buckets (local.get $new) (local.get $at)))
          (array.set $buckets (local.get $new) (local.get $at) (local.get $e))
          (local.set $e (local.get $next))
          (br $chain)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $bucket (i32.lt_u (local.get $i) (array.len (local.get $old)))))
    (struct.set $map $buckets (local.get $m) (local.get $new)))

  (func $add (param $m (ref $map)) (param $key (ref $bytes)) (param $delta i64)
    (local $hash i32) (local $e (ref null $entry)) (local $b (ref $buckets)) (local $at i32)
    (local.set $hash (i32.and (call $hash (local.get $key)) (struct.get $map $bits (local.get $m))))
    (local.set $e (call $find (local.get $m) (local.get $key) (local.get $hash)))
    (if (i32.eqz (ref.is_null (local.get $e)))
      (then
        (struct.set $entry $value (local.get $e)
          (i64.add (struct.get $entry $value (local.get $e)) (local.get $delta)))
        (return)))
    (if (i32.ge_u
          (i32.mul (struct.get $map $count (local.get $m)) (i32.const 4))
          (i32.mul (array.len (struct.get $map $buckets (local.get $m))) (i32.const 3)))
      (then (call $grow (local.get $m))))
    (local.set $b (struct.get $map $buckets (local.get $m)))
    (local.set $at (call $index (local.get $b) (local.get $hash)))
    (array.set $buckets (local.get $b) (local.get $at)
      (struct.new $entry (local.get $key) (local.get $hash) (local.get $delta)
        (array.get $buckets (local.get $b) (local.get $at))))
    (struct.set $map $count (local.get $m) (i32.add (struct.get $map $count (local.get $m)) (i32.const 1))))

  (func $remove (param $m (ref $map)) (param $key (ref $bytes))
    (local $hash i32) (local $e (ref null $entry)) (local $prev (ref null $entry)) (local $b (ref $buckets))
    (local.set $hash (i32.and (call $hash (local.get $key)) (struct.get $map $bits (local.get $m))))
    (local.set $b (struct.get $map $buckets (local.get $m)))
    (local.set $e (array.get $buckets (local.get $b) (call $index (local.get $b) (local.get $hash))))
    (loop $chain
      (if (ref.is_null (local.get $e)) (then (return)))
      (if (i32.eqz (call $equal (struct.get $entry $key (local.get $e)) (local.get $key)))
        (then
          (local.set $prev (local.get $e))
          (local.set $e (struct.get $entry $next (local.get $e)))
          (br $chain))))
    (if (ref.is_null (local.get $prev))
      (then
        (array.set $buckets (local.get $b) (call $index (local.get $b) (local.get $hash))
          (struct.get $entry $next (local.get $e))))
      (else
        (struct.set $entry $next (local.get $prev) (struct.get $entry $next (local.get $e)))))
    (struct.set $map $count (local.get $m) (i32.sub (struct.get $map $count (local.get $m)) (i32.const 1))))

  ;; map adds numbers under keys in n steps, removes a key at every seventh, and sums up the map in the order of keys.
  (func (export "map") (param $n i32) (param $keys i32) (param $bits i32) (result i64)
    (local $m (ref $map)) (local $i i32) (local $sum i64) (local $k (ref $bytes)) (local $e (ref null $entry))
    (local.set $m (call $new (local.get $bits)))
    (loop $step
      (call $add (local.get $m)
        (call $key (i32.rem_u (i32.mul (local.get $i) (i32.const 0x9E3779B1)) (local.get $keys)))
        (i64.extend_i32_u (local.get $i)))
      (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 7)))
        (then (call $remove (local.get $m) (call $key (i32.rem_u (i32.mul (local.get $i) (i32.const 31)) (local.get $keys))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $step (i32.lt_u (local.get $i) (local.get $n))))
    (local.set $sum (i64.extend_i32_u (struct.get $map $count (local.get $m))))
    (local.set $i (i32.const 0))
    (loop $each
      (local.set $k (call $key (local.get $i)))
      (local.set $e (call $find (local.get $m) (local.get $k)
        (i32.and (call $hash (local.get $k)) (struct.get $map $bits (local.get $m)))))
      (if (i32.eqz (ref.is_null (local.get $e)))
        (then (local.set $sum (call $mix (local.get $sum) (struct.get $entry $value (local.get $e))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (local.get $keys))))
    (local.get $sum))

  ;; append returns a string that has room for c at len, which may be s.
  (func $append (param $s (ref $units)) (param $len i32) (param $c i32) (result (ref $units))
    (local $new (ref $units))
    (if (i32.eq (local.get $len) (array.len (local.get $s)))
      (then
        (local.set $new (array.new_default $units (i32.mul (i32.add (local.get $len) (i32.const 1)) (i32.const 2))))
        (array.copy $units $units (local.get $new) (i32.const 0) (local.get $s) (i32.const 0) (local.get $len))
        (local.set $s (local.get $new))))
    (array.set $units (local.get $s) (local.get $len) (local.get $c))
    (local.get $s))

  ;; build makes a string of n units, one at a time, and turns it round; the sum reads them with and without sign.
  (func (export "build") (param $n i32) (result i64)
    (local $s (ref $units)) (local $len i32) (local $sum i64) (local $c i32)
    (local.set $s (array.new_fixed $units 0))
    (loop $more
      (local.set $s (call $append (local.get $s) (local.get $len) (i32.mul (local.get $len) (i32.const 40503))))
      (local.set $len (i32.add (local.get $len) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $len) (local.get $n))))
    ;; Turn round.
    (local.set $len (i32.const 0))
    (loop $swap
      (local.set $c (array.get_u $units (local.get $s) (local.get $len)))
      (array.set $units (local.get $s) (local.get $len)
        (array.get_s $units (local.get $s) (i32.sub (i32.sub (local.get $n) (i32.const 1)) (local.get $len))))
      (array.set $units (local.get $s) (i32.sub (i32.sub (local.get $n) (i32.const 1)) (local.get $len)) (local.get $c))
      (local.set $len (i32.add (local.get $len) (i32.const 1)))
      (br_if $swap (i32.lt_u (local.get $len) (i32.shr_u (local.get $n) (i32.const 1)))))
    (local.set $len (i32.const 0))
    (loop $fold
      (local.set $sum (call $mix (local.get $sum) (i64.extend_i32_s (array.get_s $units (local.get $s) (local.get $len)))))
      (local.set $sum (call $mix (local.get $sum) (i64.extend_i32_s (array.get_u $units (local.get $s) (local.get $len)))))
      (local.set $len (i32.add (local.get $len) (i32.const 1)))
      (br_if $fold (i32.lt_u (local.get $len) (local.get $n))))
    (local.get $sum)))
