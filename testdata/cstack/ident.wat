;; The ways to know the stack pointer, and the layouts of memory by which the main stack's end is known. Sixteen frames fit, in recursion
;; and in one; a seventeenth does not.
;; ends: trap stack overrun in linear memory
;; Named; the stack comes first, so its end is address 0.
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 1024)) (data (i32.const 1024) "data")
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 1024))
;; each: (memory (export "memory") 1) (global (export "__stack_pointer") (mut i32) (i32.const 1024))
;; Named; the data comes first.
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 2112)) (data (i32.const 1024) "data") (data (i32.const 1084) "ends")
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 4096)) (global (export "__data_end") i32 (i32.const 3072))
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 4096)) (global (export "__stack_low") i32 (i32.const 3072)) (global (export "__stack_high") i32 (i32.const 4096))
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 4096)) (global $GOT.data.internal.__stack_low i32 (i32.const 3072)) (global $GOT.data.internal.__stack_high i32 (i32.const 4096))
;; Data that a start function places, as in a module for threads.
;; each: (memory (export "memory") 1) (global $__stack_pointer (mut i32) (i32.const 2112)) (data $d "data") (start $init) (func $init (memory.init $d (i32.const 1024) (i32.const 0) (i32.const 4)) (memory.fill (i32.const 1028) (i32.const 0) (i32.const 60)) (data.drop $d))
;; By convention.
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 1024)) (data (i32.const 1024) "data")
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 2112)) (data (i32.const 1024) "data") (data (i32.const 1084) "ends")
;; each: (memory (export "memory") 1) (global (mut i32) (i32.const 1024)) (data $d "data") (start $init) (func $init (memory.init $d (i32.const 1024) (i32.const 0) (i32.const 4)) (data.drop $d))
(module
  (;EACH;)
  (func $down (param $n i32) (local $f i32)
    (global.set 0 (local.tee $f (i32.sub (global.get 0) (i32.const 64))))
    (i32.store (local.get $f) (local.get $n))
    (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)))))
    (if (i32.ne (i32.load (local.get $f)) (local.get $n)) (then (unreachable)))
    (global.set 0 (i32.add (local.get $f) (i32.const 64))))
  (func $big (local $f i32)
    (global.set 0 (local.tee $f (i32.sub (global.get 0) (i32.const 1024))))
    (i32.store (local.get $f) (i32.const 1))
    (global.set 0 (i32.add (local.get $f) (i32.const 1024))))
  (func (export "_start")
    (call $down (i32.const 15))
    (call $big)
    (call $down (i32.const 16)) (;OVERRUN;)
  ))
