;; A guest stack that came back to the pool became this memory, with the guest's values still in it: both reserve 256 KiB.
(module
  (memory (export "m0") 1 4)
  (func (export "refuel"))
  (func (export "f0") (result i64) (local i64)
    (local.set 0 (i64.const -1))
    (call $deep (local.get 0) (i32.const 100)))
  (func $deep (param i64 i32) (result i64)
    (if (result i64) (local.get 1)
      (then (i64.sub (call $deep (local.get 0) (i32.sub (local.get 1) (i32.const 1))) (i64.const 1)))
      (else (local.get 0)))))
