;; The Mandelbrot set in 78 by 32 characters. Two points are computed at a time, in the two lanes of a vector.
;;
;;   go run ./cmd/spindle run examples/hello/mandelbrot.wat
(module $mandelbrot
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param $fd i32) (param $iovs i32) (param $count i32) (param $written i32) (result i32)))

  (memory (export "memory") 1)

  (global $width i32 (i32.const 78))
  (global $height i32 (i32.const 32))
  (global $steps i32 (i32.const 1000))

  (global $shades i32 (i32.const 16)) ;; address of the characters, from quickly to never escaping
  (data (i32.const 16) " .,:;=+*%#@@@@@@")
  (global $picture i32 (i32.const 64)) ;; address of the output

  ;; How many steps it takes until each of two points, in the lanes of x and y, leaves the circle of radius 2.
  (func $escape (param $x v128) (param $y v128) (result v128)
    (local $a v128) (local $b v128) (local $aa v128) (local $bb v128)
    (local $count v128) (local $inside v128) (local $left i32)
    (local.set $left (global.get $steps))
    (loop $step
      (local.set $aa (f64x2.mul (local.get $a) (local.get $a)))
      (local.set $bb (f64x2.mul (local.get $b) (local.get $b)))
      (local.set $inside
        (f64x2.le (f64x2.add (local.get $aa) (local.get $bb)) (v128.const f64x2 4 4)))
      ;; a lane of all ones is -1: subtracting it counts
      (local.set $count (i64x2.sub (local.get $count) (local.get $inside)))
      (local.set $b
        (f64x2.add
          (f64x2.mul (f64x2.add (local.get $a) (local.get $a)) (local.get $b))
          (local.get $y)))
      (local.set $a (f64x2.add (f64x2.sub (local.get $aa) (local.get $bb)) (local.get $x)))
      (br_if $step
        (i32.and
          (v128.any_true (local.get $inside))
          (i32.ne (local.tee $left (i32.sub (local.get $left) (i32.const 1))) (i32.const 0)))))
    (local.get $count))

  ;; The character for a number of steps: one shade more each time the number doubles.
  (func $shade (param $count i64) (result i32)
    (if (i64.ge_s (local.get $count) (i64.extend_i32_u (global.get $steps)))
      (then (return (i32.const 0x40)))) ;; "@"
    (i32.load8_u
      (i32.add
        (global.get $shades)
        (i32.sub (i32.const 63) (i32.wrap_i64 (i64.clz (i64.or (local.get $count) (i64.const 1))))))))

  (func $real (param $column i32) (result f64)
    (f64.sub
      (f64.mul (f64.convert_i32_s (local.get $column)) (f64.div (f64.const 3.1) (f64.convert_i32_s (global.get $width))))
      (f64.const 2.25)))

  (func $imaginary (param $row i32) (result f64)
    (f64.sub
      (f64.mul (f64.convert_i32_s (local.get $row)) (f64.div (f64.const 2.5) (f64.convert_i32_s (global.get $height))))
      (f64.const 1.25)))

  (func (export "_start")
    (local $row i32) (local $column i32) (local $at i32) (local $y v128) (local $counts v128)
    (local.set $at (global.get $picture))
    (loop $rows
      (local.set $y (f64x2.splat (call $imaginary (local.get $row))))
      (local.set $column (i32.const 0))
      (loop $columns
        (local.set $counts
          (call $escape
            (f64x2.replace_lane 1
              (f64x2.splat (call $real (local.get $column)))
              (call $real (i32.add (local.get $column) (i32.const 1))))
            (local.get $y)))
        (i32.store8 (local.get $at) (call $shade (i64x2.extract_lane 0 (local.get $counts))))
        (i32.store8 offset=1 (local.get $at) (call $shade (i64x2.extract_lane 1 (local.get $counts))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br_if $columns
          (i32.lt_s (local.tee $column (i32.add (local.get $column) (i32.const 2))) (global.get $width))))
      (i32.store8 (local.get $at) (i32.const 0x0a))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $rows
        (i32.lt_s (local.tee $row (i32.add (local.get $row) (i32.const 1))) (global.get $height))))
    ;; one iovec at 0
    (i32.store (i32.const 0) (global.get $picture))
    (i32.store (i32.const 4) (i32.sub (local.get $at) (global.get $picture)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
