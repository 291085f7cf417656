;; What the patterns of results accept and refuse.
(module $M
  (func (export "i32") (result i32) (i32.const -7))
  (func (export "id.f32") (param f32) (result f32) (local.get 0))
  (func (export "id.f64") (param f64) (result f64) (local.get 0))
  (func (export "id.v128") (param v128) (result v128) (local.get 0))
  (func (export "id.extern") (param externref) (result externref) (local.get 0))
  (func (export "id.any") (param anyref) (result anyref) (local.get 0))
  (func (export "i31") (result i31ref) (ref.i31 (i32.const 3)))
  (func $f (export "func") (result funcref) (ref.func $f))
  (func (export "null.func") (result funcref) (ref.null func))
  (func (export "two") (result i32 i64) (i32.const 1) (i64.const 2))
  (global (export "g") f64 (f64.const 0.5))
  (global (export "v") v128 (v128.const i64x2 1 2))
)

(assert_return (invoke "i32") (i32.const -7))
(assert_return (invoke "i32") (i32.const 0xfffffff9))
(assert_return (invoke "i32") (i32.const 7)) ;; fails: result 0 is (i32.const -7), want (i32.const 7)
(assert_return (invoke "i32") (i64.const -7)) ;; fails: want (i64.const -7)
(assert_return (invoke "i32")) ;; fails: 1 results, want 0
(assert_return (invoke "i32") (either (i32.const 1) (i32.const -7)))
(assert_return (invoke "i32") (either (i32.const 1) (i32.const 2))) ;; fails: want either of (i32.const 1), (i32.const 2)
(assert_return (invoke "i32" (i32.const 1)) (i32.const -7)) ;; fails: takes 0 arguments, not 1
(assert_return (invoke "none")) ;; fails: no export "none"
(assert_return (invoke "g")) ;; fails: is no func
(assert_return (invoke $M "two") (i32.const 1) (i64.const 2))
(assert_return (invoke $M "two") (i32.const 1) (i64.const 3)) ;; fails: result 1 is (i64.const 2)
(assert_return (invoke $N "two")) ;; fails: unknown module $N

(assert_return (invoke "id.f32" (f32.const nan)) (f32.const nan:canonical))
(assert_return (invoke "id.f32" (f32.const -nan)) (f32.const nan:canonical))
(assert_return (invoke "id.f32" (f32.const nan)) (f32.const nan:arithmetic))
(assert_return (invoke "id.f32" (f32.const nan:0x600000)) (f32.const nan:arithmetic))
(assert_return (invoke "id.f32" (f32.const nan:0x600000)) (f32.const nan:canonical)) ;; fails: f32 nan:canonical
(assert_return (invoke "id.f32" (f32.const nan:0x200000)) (f32.const nan:arithmetic)) ;; fails: nan:0x200000
(assert_return (invoke "id.f32" (f32.const nan:0x200000)) (f32.const nan:0x200000))
(assert_return (invoke "id.f32" (f32.const 1)) (f32.const nan:arithmetic)) ;; fails: want f32 nan:arithmetic
(assert_return (invoke "id.f32" (f32.const nan)) (f64.const nan:canonical)) ;; fails: want f64 nan:canonical
(assert_return (invoke "id.f32" (f32.const -0)) (f32.const 0)) ;; fails: (f32.const -0)
(assert_return (invoke "id.f32" (f64.const 0)) (f32.const 0)) ;; fails: argument 0 of "id.f32" is of type f32, not f64
(assert_return (invoke "id.f64" (f64.const nan:0x8000000000001)) (f64.const nan:arithmetic))
(assert_return (invoke "id.f64" (f64.const nan:0x8000000000001)) (f64.const nan:canonical)) ;; fails: nan:0x8000000000001

(assert_return (invoke "id.v128" (v128.const f32x4 nan 1 -nan inf)) (v128.const f32x4 nan:canonical 1 nan:arithmetic inf))
(assert_return (invoke "id.v128" (v128.const f32x4 nan 1 0 inf)) (v128.const f32x4 nan:canonical 1 nan:arithmetic inf)) ;; fails: lanes nan:canonical
(assert_return (invoke "id.v128" (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)) (v128.const i32x4 0x03020100 0x07060504 0x0b0a0908 0x0f0e0d0c))
(assert_return (invoke "id.v128" (v128.const i64x2 1 2)) (v128.const i64x2 2 1)) ;; fails: (v128.const i32x4

(assert_return (invoke "id.extern" (ref.extern 4)) (ref.extern 4))
(assert_return (invoke "id.extern" (ref.extern 4)) (ref.extern))
(assert_return (invoke "id.extern" (ref.extern 4)) (ref.extern 5)) ;; fails: result 0 is (ref.extern 4)
(assert_return (invoke "id.extern" (ref.extern 4)) (ref.null)) ;; fails: want (ref.null)
(assert_return (invoke "id.extern" (ref.null extern)) (ref.null))
(assert_return (invoke "id.extern" (ref.null extern)) (ref.null extern))
(assert_return (invoke "id.extern" (ref.null extern)) (ref.extern)) ;; fails: result 0 is (ref.null)
(assert_return (invoke "id.extern" (ref.null func)) (ref.null)) ;; fails: argument 0
(assert_return (invoke "id.any" (ref.host 3)) (ref.host 3))
(assert_return (invoke "id.any" (ref.host 3)) (ref.any))
(assert_return (invoke "id.any" (ref.host 3)) (ref.i31)) ;; fails: want (ref.i31)
(assert_return (invoke "id.any" (ref.host 3)) (ref.eq)) ;; fails: want (ref.eq)
(assert_return (invoke "id.any" (ref.host 3)) (ref.func)) ;; fails: want (ref.func)
(assert_return (invoke "i31") (ref.i31))
(assert_return (invoke "i31") (ref.eq))
(assert_return (invoke "i31") (ref.any))
(assert_return (invoke "i31") (ref.struct)) ;; fails: want (ref.struct)
(assert_return (invoke "func") (ref.func))
(assert_return (invoke "func") (ref.extern)) ;; fails: want (ref.extern)
(assert_return (invoke "null.func") (ref.null func))
(assert_return (invoke "null.func") (ref.func)) ;; fails: want (ref.func)

(assert_return (get "g") (f64.const 0.5))
(assert_return (get $M "v") (v128.const i64x2 1 2))
(assert_return (get "i32") (i32.const 0)) ;; fails: is no global
(get "g")
