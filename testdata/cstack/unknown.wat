;; Where nothing tells that a global is a stack pointer, or where a stack ends, programs do as they like.
;; ends: return
;; Not named, and the data is not where wasm-ld puts it.
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 2112)) (data (i32.const 1000) "data") (data (i32.const 1084) "ends")
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 2112)) (data (i32.const 1024) "data") (data (i32.const 1084) "ends") (data (i32.const 4000) "heap")
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 2120)) (data (i32.const 1024) "data")
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 2112))
;; Named, but the start of the data, and so its order, is unknown. Address 0 is far.
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 2112)) (data (i32.const 1088) "data")
;; A module that was run and saved: what was left on its stack has become data, and so has its heap.
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 2112)) (data (i32.const 1024) "left") (data (i32.const 2000) "left") (data (i32.const 2112) "data")
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 2112)) (data (i32.const 2000) "left")
;; Where the data goes is not constant, or not all of it is.
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 2112)) (data (i32.const 1024) "data") (data $d "more") (start $init) (func $init (memory.init $d (i32.sub (i32.const 2000) (i32.const 10)) (i32.const 0) (i32.const 4)))
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 2112)) (data (i32.const 1024) "data") (data $d "more")
;; A stack pointer in name only.
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 2112)) (global $__stack_pointer i32 (i32.const 2112)) (data (i32.const 1024) "data")
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 2112)) (global $__stack_pointer (mut i64) (i64.const 2112)) (data (i32.const 1024) "data")
(module
  (;EACH;)
  (func $down (param $n i32) (local $f i32)
    (global.set 0 (local.tee $f (i32.sub (global.get 0) (i32.const 64))))
    (i32.store (local.get $f) (local.get $n))
    (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)))))
    (global.set 0 (i32.add (local.get $f) (i32.const 64))))
  (func (export "_start") (call $down (i32.const 30))))
