;; What sets the stack pointer to a lower place without making room on the stack, and what programs do there, never traps. The main stack is from
;; 3072 to 4096; that of a fibre is from 1024 to 2048.
;; ends: return
;; each: (func $to (param $sp i32) (global.set $__stack_pointer (local.get $sp)))
;; each: (func $to (param $sp i32) (i32.store (i32.const 16) (local.get $sp)) (global.set $__stack_pointer (i32.load (i32.const 16))))
;; A fibre's first stack pointer, worked out on the spot.
;; each: (func $to (param $sp i32) (global.set $__stack_pointer (i32.sub (i32.add (local.get $sp) (i32.const 16)) (i32.const 16))))
;; each: (func $to (param $sp i32) (global.set $__stack_pointer (i32.and (i32.add (local.get $sp) (i32.const 15)) (i32.const -16))))
;; each: (func $to (param $sp i32) (local $x i32) (local.set $x (i32.sub (global.get $__stack_pointer) (i32.const 16))) (local.set $x (i32.sub (local.get $sp) (i32.const 0))) (global.set $__stack_pointer (local.get $x)))
;; The same local is a place on this stack on one way, and on another one a place that was passed.
;; each: (func $to (param $sp i32) (local $x i32) (local.set $x (i32.sub (global.get $__stack_pointer) (i32.const 16))) (if (local.get $sp) (then (local.set $x (local.get $sp)))) (global.set $__stack_pointer (i32.sub (local.get $x) (i32.const 0))))
;; each: (func $to (param $sp i32) (local $x i32) (local.set $x (global.get $__stack_pointer)) (block $b (br_if $b (local.tee $x (local.get $sp))) (local.set $x (global.get $__stack_pointer))) (global.set $__stack_pointer (i32.sub (local.get $x) (i32.const 0))))
;; each: (func $to (param $sp i32) (local $x i32) (local.set $x (global.get $__stack_pointer)) (loop $l (global.set $__stack_pointer (i32.sub (local.get $x) (i32.const 0))) (if (i32.ne (local.get $x) (local.get $sp)) (then (local.set $x (local.get $sp)) (br $l)))))
;; each: (func $to (param $sp i32) (local $x i32) (local.set $x (i32.sub (global.get $__stack_pointer) (i32.const 16))) (block $a (block $b (br_table $a $b (i32.ne (local.tee $x (local.get $sp)) (i32.const 0)))) (global.set $__stack_pointer (i32.sub (local.get $x) (i32.const 0)))))
;; In a handler any assignment of what was tried may have happened.
;; each: (tag $t) (func $to (param $sp i32) (local $x i32) (local.set $x (global.get $__stack_pointer)) (block $h (try_table (catch $t $h) (local.set $x (local.get $sp)) (throw $t))) (global.set $__stack_pointer (i32.sub (local.get $x) (i32.const 0))))
(module
  (memory (export "memory") 1)
  (global $__stack_pointer (mut i32) (i32.const 4096))
  (global (export "__stack_low") i32 (i32.const 3072))
  (global (export "__stack_high") i32 (i32.const 4096))
  (;EACH;)
  (func $down (param $n i32) (local $f i32)
    (global.set $__stack_pointer (local.tee $f (i32.sub (global.get $__stack_pointer) (i32.const 64))))
    (i32.store (local.get $f) (local.get $n))
    (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)))))
    (if (i32.ne (i32.load (local.get $f)) (local.get $n)) (then (unreachable)))
    (global.set $__stack_pointer (i32.add (local.get $f) (i32.const 64))))
  (func (export "_start") (local $f i32) (local $i i32)
    (global.set $__stack_pointer (local.tee $f (i32.sub (global.get $__stack_pointer) (i32.const 64))))
    (loop $l
      (call $to (i32.const 2048)) ;; down to the fibre
      (call $down (i32.const 15)) ;; to its end, which is nobody's business
      (call $to (local.get $f))   ;; and up again
      (call $down (i32.const 14))
      (call $to (i32.const 65536)) ;; a fibre on the heap
      (call $down (i32.const 15))
      (call $to (i32.const 2048)) ;; from fibre to fibre
      (call $down (i32.const 15))
      (global.set $__stack_pointer (local.get $f)) ;; as longjmp does
      (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
    (global.set $__stack_pointer (i32.add (local.get $f) (i32.const 64)))))
