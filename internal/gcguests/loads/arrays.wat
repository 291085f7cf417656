;; Arrays in bulk: copies that overlap, fills, segments, sorting, arrays larger than any block of a heap.
(module
  (type $box (struct (field $value i32)))
  (type $boxes (array (mut (ref null $box))))
  (type $bytes (array (mut i8)))
  (type $shorts (array (mut i16)))
  (type $longs (array (mut i64)))
  (type $doubles (array (mut f64)))
  (type $matrix (array (mut (ref null $doubles))))
  (type $fixed (array (ref $box)))

  (data $noise "\00\7f\80\ff\01\fe\10\32\54\76\98\ba\dc\ef\a5\5a")
  (elem $items (ref null $box)
    (item (struct.new $box (i32.const 11))) (item (ref.null none)) (item (struct.new $box (i32.const 22)))
    (item (struct.new $box (i32.const 33))) (item (struct.new_default $box)))
  (global $kept (mut (ref null $boxes)) (ref.null none))

  (func $mix (param $h i64) (param $x i64) (result i64)
    (local.set $h (i64.mul (i64.xor (local.get $h) (local.get $x)) (i64.const 0x9E3779B97F4A7C15)))
    (i64.xor (local.get $h) (i64.shr_u (local.get $h) (i64.const 29))))

  ;; value is -1 for null.
  (func $value (param $b (ref null $box)) (result i32)
    (block $null
      (return (struct.get $box $value (br_on_null $null (local.get $b)))))
    (i32.const -1))

  (func $sum (param $h i64) (param $a (ref $boxes)) (result i64)
    (local $i i32)
    (block $end
      (loop $next
        (br_if $end (i32.ge_u (local.get $i) (array.len (local.get $a))))
        (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (call $value (array.get $boxes (local.get $a) (local.get $i))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $h))

  ;; slide moves ranges of an array of references within it, up and down, puts new objects into the gaps, and fills.
  (func (export "slide") (param $n i32) (param $steps i32) (result i64)
    (local $a (ref $boxes)) (local $i i32) (local $from i32) (local $to i32) (local $len i32)
    (local.set $a (array.new $boxes (struct.new $box (i32.const 7)) (local.get $n)))
    (global.set $kept (local.get $a))
    (loop $step
      (local.set $from (i32.rem_u (i32.mul (local.get $i) (i32.const 0x9E3779B1)) (local.get $n)))
      (local.set $to (i32.rem_u (i32.mul (local.get $i) (i32.const 0x85EBCA77)) (local.get $n)))
      (local.set $len
        (i32.sub (local.get $n) (select (local.get $from) (local.get $to) (i32.gt_u (local.get $from) (local.get $to)))))
      (array.copy $boxes $boxes (local.get $a) (local.get $to) (local.get $a) (local.get $from) (local.get $len))
      (array.set $boxes (local.get $a) (local.get $from) (struct.new $box (local.get $i)))
      (if (i32.eqz (i32.and (local.get $i) (i32.const 15)))
        (then
          (array.fill $boxes (local.get $a) (local.get $to) (struct.new $box (i32.sub (i32.const 0) (local.get $i)))
            (i32.shr_u (local.get $len) (i32.const 2)))))
      (if (i32.eqz (i32.and (local.get $i) (i32.const 63)))
        (then (array.fill $boxes (local.get $a) (local.get $from) (ref.null none) (i32.shr_u (local.get $len) (i32.const 3)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $step (i32.lt_u (local.get $i) (local.get $steps))))
    (call $sum (i64.const 0) (local.get $a)))

  ;; sort is a merge sort of references, with array.copy for the runs that are in order already.
  (func $sort (param $a (ref $boxes)) (param $tmp (ref $boxes)) (param $lo i32) (param $hi i32)
    (local $mid i32) (local $i i32) (local $j i32) (local $k i32)
    (if (i32.le_s (i32.sub (local.get $hi) (local.get $lo)) (i32.const 1)) (then (return)))
    (local.set $mid (i32.shr_u (i32.add (local.get $lo) (local.get $hi)) (i32.const 1)))
    (call $sort (local.get $a) (local.get $tmp) (local.get $lo) (local.get $mid))
    (call $sort (local.get $a) (local.get $tmp) (local.get $mid) (local.get $hi))
    (local.set $i (local.get $lo))
    (local.set $j (local.get $mid))
    (local.set $k (local.get $lo))
    (block $end
      (loop $merge
        (if (i32.eq (local.get $i) (local.get $mid))
          (then
            (array.copy $boxes $boxes (local.get $tmp) (local.get $k) (local.get $a) (local.get $j) (i32.sub (local.get $hi) (local.get $j)))
            (br $end)))
        (if (i32.eq (local.get $j) (local.get $hi))
          (then
            (array.copy $boxes $boxes (local.get $tmp) (local.get $k) (local.get $a) (local.get $i) (i32.sub (local.get $mid) (local.get $i)))
            (br $end)))
        (if (i32.le_s
              (call $value (array.get $boxes (local.get $a) (local.get $i)))
              (call $value (array.get $boxes (local.get $a) (local.get $j))))
          (then
            (array.set $boxes (local.get $tmp) (local.get $k) (array.get $boxes (local.get $a) (local.get $i)))
            (local.set $i (i32.add (local.get $i) (i32.const 1))))
          (else
            (array.set $boxes (local.get $tmp) (local.get $k) (array.get $boxes (local.get $a) (local.get $j)))
            (local.set $j (i32.add (local.get $j) (i32.const 1)))))
        (local.set $k (i32.add (local.get $k) (i32.const 1)))
        (br $merge)))
    (array.copy $boxes $boxes (local.get $a) (local.get $lo) (local.get $tmp) (local.get $lo) (i32.sub (local.get $hi) (local.get $lo))))

  (func (export "sort") (param $n i32) (param $seed i32) (result i64)
    (local $a (ref $boxes)) (local $i i32)
    (local.set $a (array.new_default $boxes (local.get $n)))
    (loop $make
      (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
      (array.set $boxes (local.get $a) (local.get $i) (struct.new $box (i32.shr_s (local.get $seed) (i32.const 8))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $make (i32.lt_u (local.get $i) (local.get $n))))
    (call $sort (local.get $a) (array.new_default $boxes (local.get $n)) (i32.const 0) (local.get $n))
    (call $sum (i64.const 0) (local.get $a)))

  ;; segments makes arrays of segments and writes segments into arrays, of all widths.
  (func (export "segments") (param $rounds i32) (result i64)
    (local $h i64) (local $b (ref $bytes)) (local $s (ref $shorts)) (local $l (ref $longs)) (local $d (ref $doubles))
    (local $x (ref $boxes)) (local $y (ref $fixed))
    (loop $round
      (local.set $b (array.new_data $bytes $noise (i32.and (local.get $rounds) (i32.const 7)) (i32.const 8)))
      (local.set $s (array.new_data $shorts $noise (i32.const 1) (i32.const 7)))
      (local.set $l (array.new $longs (i64.const -1) (i32.const 4)))
      (array.init_data $longs $noise (local.get $l) (i32.const 1) (i32.and (local.get $rounds) (i32.const 3)) (i32.const 1))
      (array.init_data $bytes $noise (local.get $b) (i32.const 3) (i32.const 12) (i32.const 4))
      (local.set $d (array.new_data $doubles $noise (i32.const 6) (i32.const 1)))
      (local.set $x (array.new_elem $boxes $items (i32.const 0) (i32.const 5)))
      (array.init_elem $boxes $items (local.get $x) (i32.and (local.get $rounds) (i32.const 1)) (i32.const 1) (i32.const 3))
      (local.set $y (array.new_fixed $fixed 3
        (struct.new $box (local.get $rounds)) (struct.new $box (i32.const 5)) (struct.new_default $box)))
      (local.set $h (call $sum (local.get $h) (local.get $x)))
      (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (array.get_s $bytes (local.get $b) (i32.and (local.get $rounds) (i32.const 7))))))
      (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (array.get_u $bytes (local.get $b) (i32.const 1)))))
      (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (array.get_s $shorts (local.get $s) (i32.rem_u (local.get $rounds) (i32.const 7))))))
      (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (array.get_u $shorts (local.get $s) (i32.const 2)))))
      (local.set $h (call $mix (local.get $h) (array.get $longs (local.get $l) (i32.and (local.get $rounds) (i32.const 3)))))
      (local.set $h (call $mix (local.get $h) (i64.reinterpret_f64 (array.get $doubles (local.get $d) (i32.const 0)))))
      (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (struct.get $box $value (array.get $fixed (local.get $y) (i32.const 0))))))
      ;; Objects of a segment are the same ones each time; those of new_fixed are not.
      (local.set $h (call $mix (local.get $h) (i64.extend_i32_s (ref.eq
        (array.get $boxes (local.get $x) (i32.const 4))
        (array.get $boxes (array.new_elem $boxes $items (i32.const 4) (i32.const 1)) (i32.const 0))))))
      (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (local.get $h))

  ;; matrix multiplies square matrices of rows.
  (func (export "matrix") (param $n i32) (result i64)
    (local $a (ref $matrix)) (local $b (ref $matrix)) (local $c (ref $matrix)) (local $i i32) (local $j i32) (local $k i32)
    (local $x f64) (local $h i64) (local $row (ref null $doubles))
    (local.set $a (array.new_default $matrix (local.get $n)))
    (local.set $b (array.new_default $matrix (local.get $n)))
    (local.set $c (array.new_default $matrix (local.get $n)))
    (loop $rows
      (array.set $matrix (local.get $a) (local.get $i) (array.new $doubles (f64.const 1.5) (local.get $n)))
      (array.set $matrix (local.get $b) (local.get $i) (array.new $doubles (f64.convert_i32_s (local.get $i)) (local.get $n)))
      (array.set $matrix (local.get $c) (local.get $i) (array.new_default $doubles (local.get $n)))
      (array.set $doubles (array.get $matrix (local.get $a) (local.get $i)) (local.get $i) (f64.convert_i32_s (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $rows (i32.lt_u (local.get $i) (local.get $n))))
    (local.set $i (i32.const 0))
    (loop $is
      (local.set $row (array.get $matrix (local.get $a) (local.get $i)))
      (local.set $j (i32.const 0))
      (loop $js
        (local.set $x (f64.const 0))
        (local.set $k (i32.const 0))
        (loop $ks
          (local.set $x (f64.add (local.get $x) (f64.mul
            (array.get $doubles (local.get $row) (local.get $k))
            (array.get $doubles (array.get $matrix (local.get $b) (local.get $k)) (local.get $j)))))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $ks (i32.lt_u (local.get $k) (local.get $n))))
        (array.set $doubles (array.get $matrix (local.get $c) (local.get $i)) (local.get $j) (local.get $x))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $js (i32.lt_u (local.get $j) (local.get $n))))
      (local.set $h (call $mix (local.get $h) (i64.reinterpret_f64 (local.get $x))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $is (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $h))

  ;; large makes arrays of n longs, of which every third one stays, and copies between them.
  (func (export "large") (param $n i32) (param $rounds i32) (result i64)
    (local $a (ref $longs)) (local $b (ref $longs)) (local $i i32) (local $h i64)
    (local.set $a (array.new $longs (i64.const 3) (local.get $n)))
    (loop $round
      (local.set $b (array.new_default $longs (local.get $n)))
      (array.fill $longs (local.get $b) (local.get $i) (i64.extend_i32_u (local.get $i)) (i32.shr_u (local.get $n) (i32.const 1)))
      (array.copy $longs $longs (local.get $b) (i32.shr_u (local.get $n) (i32.const 2)) (local.get $a) (i32.const 0) (i32.shr_u (local.get $n) (i32.const 2)))
      (local.set $h (call $mix (local.get $h) (array.get $longs (local.get $b) (i32.mul (local.get $i) (i32.const 3)))))
      (local.set $h (call $mix (local.get $h) (array.get $longs (local.get $b) (i32.shr_u (local.get $n) (i32.const 2)))))
      (local.set $h (call $mix (local.get $h) (array.get $longs (local.get $b) (i32.sub (local.get $n) (i32.const 1)))))
      (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 3))) (then (local.set $a (local.get $b))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $round (i32.lt_u (local.get $i) (local.get $rounds))))
    (local.get $h)))
